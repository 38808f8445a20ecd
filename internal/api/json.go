package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// maxBody bounds a request's body: a relay with some thousand streams stays well below it.
const maxBody = 1 << 20

// body reads the one JSON value of a request into v, or answers why it cannot.
func body(w http.ResponseWriter, r *http.Request, v any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &tooLarge):
		problem(w, http.StatusRequestEntityTooLarge, "body over 1 MiB")
	case errors.Is(err, io.EOF):
		problem(w, http.StatusBadRequest, "want a JSON body")
	default:
		problem(w, http.StatusBadRequest, "body: "+inWords(err))
	}
	return false
}

// inWords says what is wrong with JSON without the names of Go's types.
func inWords(err error) string {
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		text := "want " + kind(wrong.Type) + ", got " + wrong.Value
		if wrong.Field != "" {
			text = wrong.Field + ": " + text
		}
		return text
	}
	if wrong := new(json.SyntaxError); errors.As(err, &wrong) {
		return fmt.Sprintf("not JSON at byte %d: %v", wrong.Offset, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "not JSON: it ends in the middle"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint8:
		return "a whole number up to 255"
	case reflect.Uint16:
		return "a whole number up to 65535"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// fail answers with an error of the interfaces.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, ErrConflict):
		status = http.StatusConflict
	}
	problem(w, status, err.Error())
}

func problem(w http.ResponseWriter, status int, msg string) {
	reply(w, status, struct {
		Error string `json:"error"`
	}{msg})
}

func reply(w http.ResponseWriter, status int, v any) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)              // it is not HTML, and is read by people
	if err := enc.Encode(v); err != nil { // only a NaN or a channel among the views would do it
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a client that went away is nobody to tell
}

func plain(w http.ResponseWriter, status int, msg string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, msg+"\n")
}

// list makes nil an empty list, which JSON tells from null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// switches is list, down to the ports: a bridge may have none.
func switches(s []Switch) []Switch {
	for i := range s {
		s[i].Ports = list(s[i].Ports)
	}
	return list(s)
}
