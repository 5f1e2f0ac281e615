package natstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA vouches for certificates of a test.
type CA struct {
	// File has its certificate.
	File string

	certificate *x509.Certificate
	text        []byte // of File at first
	key         *ecdsa.PrivateKey
}

// NewCA returns a CA of its own.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{File: filepath.Join(t.TempDir(), "ca.pem"), key: newKey(t)}
	ca.certificate = &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca.certificate, ca.certificate, &ca.key.PublicKey, ca.key)
	check(t, err)
	write(t, ca.File, "CERTIFICATE", der)
	ca.text, err = os.ReadFile(ca.File)
	check(t, err)
	return ca
}

// Issue returns files with a certificate for a server or a client on this machine, and its key.
func (ca *CA) Issue(t testing.TB, name string) (certificate, key string) {
	t.Helper()
	return ca.IssueUntil(t, name, time.Now().Add(time.Hour))
}

// IssueUntil is Issue for a certificate that expires.
func (ca *CA) IssueUntil(t testing.TB, name string, end time.Time) (certificate, key string) {
	t.Helper()
	private := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca.certificate, &private.PublicKey, ca.key)
	check(t, err)
	der2, err := x509.MarshalECPrivateKey(private)
	check(t, err)
	folder := t.TempDir()
	certificate, key = filepath.Join(folder, name+".pem"), filepath.Join(folder, name+".key")
	write(t, certificate, "CERTIFICATE", der)
	write(t, key, "EC PRIVATE KEY", der2)
	return certificate, key
}

// Server returns the settings of TLS of a server with a new certificate. If clients is not nil,
// clients must show a certificate of it.
func (ca *CA) Server(t testing.TB, clients *CA) *tls.Config {
	t.Helper()
	certificate, key := ca.Issue(t, "server")
	config := TLSOf(t, certificate, key)
	if clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(clients.text)
	}
	return config
}

// TLSOf returns the settings of TLS of a server with the certificate and key of these files.
func TLSOf(t testing.TB, certificate, key string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certificate, key)
	check(t, err)
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	check(t, err)
	return n
}

func write(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	check(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
