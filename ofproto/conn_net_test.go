package ofproto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// loopback returns the two ends of a TCP connection.
func loopback(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// overTLS puts TLS on both ends, with a certificate made for the test.
func overTLS(t *testing.T, a, b net.Conn) (client, server net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"switch"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	identity := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return tls.Client(a, &tls.Config{RootCAs: pool, ServerName: "switch"}), tls.Server(b, &tls.Config{Certificates: []tls.Certificate{identity}})
}

func TestConnOverNetwork(t *testing.T) {
	for _, kind := range []string{"TCP", "TLS"} {
		t.Run(kind, func(t *testing.T) {
			a, b := loopback(t)
			if kind == "TLS" {
				a, b = overTLS(t, a, b)
			}
			const n = 5000
			o := ConnOptions{WriteTimeout: 10 * time.Second, Now: time.Now}
			near, far := NewConn(a, o), NewConn(b, o)
			go func() { // the far side returns every echo
				defer far.Close()
				for got := 0; got < n; {
					frames, err := far.ReadBatch()
					if err != nil {
						t.Error(err)
						return
					}
					for _, f := range frames {
						h, m, err := Decode(f)
						if err != nil {
							t.Error(err)
							return
						}
						if err := far.Write(h.XID, &EchoReply{Data: m.(*EchoRequest).Data}); err != nil {
							t.Error(err)
							return
						}
					}
					if err := far.Flush(); err != nil {
						t.Error(err)
						return
					}
					got += len(frames)
				}
			}()
			go func() {
				for xid := range uint32(n) {
					if err := near.Write(xid, &EchoRequest{Data: bytes.Repeat([]byte{byte(xid)}, int(xid%301))}); err != nil {
						t.Error(err)
						return
					}
				}
				if err := near.Flush(); err != nil {
					t.Error(err)
				}
			}()
			frames, err := readAll(near)
			if !errors.Is(err, io.EOF) || len(frames) != n {
				t.Fatalf("%d replies, %v; want %d", len(frames), err, n)
			}
			for i, f := range frames {
				h, m, err := Decode(f)
				if err != nil || h.XID != uint32(i) || !bytes.Equal(m.(*EchoReply).Data, bytes.Repeat([]byte{byte(i)}, i%301)) {
					t.Fatalf("reply %d is %x, %v", i, f, err)
				}
			}
		})
	}
}

// A receiver that stops reading makes a write fail at its deadline, and every write after it.
func TestConnWriteDeadline(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := NewConn(near, ConnOptions{WriteTimeout: 20 * time.Millisecond, Now: time.Now})
	if err := c.Write(1, &EchoRequest{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Flush: %v, want %v", err, os.ErrDeadlineExceeded)
		}
	}
}

// A receiver that takes some all the time is given as long as it needs, however much has gathered for it.
func TestConnSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // which holds nothing
		defer far.Close()
		const timeout, rate, size = 10 * time.Second, 2 << 10, 256 << 10 // bytes a second, and bytes
		c := NewConn(near, ConnOptions{WriteTimeout: timeout, Now: time.Now})
		for n := 0; n < size; n += MaxLen {
			if err := c.Write(1, &EchoRequest{Data: make([]byte, MaxLen-HeaderLen)}); err != nil {
				t.Fatal(err)
			}
		}
		var reads sync.WaitGroup
		reads.Go(func() {
			for b := make([]byte, rate); ; time.Sleep(time.Second) {
				if _, err := far.Read(b); err != nil {
					return
				}
			}
		})
		begin := time.Now()
		if err := c.Flush(); err != nil || time.Since(begin) < timeout {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		_ = near.Close()
		reads.Wait()
	})
}
