package oftest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		data := bytes.Repeat([]byte("0123456789"), 100_000) // more than it holds
		go func() {
			if n, err := a.Write(data); n != len(data) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			a.Close()
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes arrive, %v", len(got), err)
		}
		if _, err := b.Write(data); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing to an end that is closed: %v", err)
		}
		if _, err := a.Read(data); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("reading from one's own end after Close: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		start := time.Now()
		b.SetDeadline(start.Add(time.Second))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(start))
		}
		a.SetWriteDeadline(start.Add(2 * time.Second))
		if n, err := a.Write(make([]byte, pipeBuffer+1)); !errors.Is(err, os.ErrDeadlineExceeded) || n != pipeBuffer || time.Since(start) != 2*time.Second {
			t.Errorf("Write: %d, %v after %v", n, err, time.Since(start))
		}
		b.SetReadDeadline(time.Time{})
		if n, err := b.Read(make([]byte, 5)); n != 5 || err != nil {
			t.Errorf("Read without a deadline: %d, %v", n, err)
		}
		a.Close()
		b.Close()
	})
}
