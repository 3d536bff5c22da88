// Judges certificates as the components of Kubernetes do, for a comparison with certwatch: every file named
// CASE.pem in the directory that is the argument, against the CAs in CASE.ca, or those in default.ca.
// With "kubeconfigs" before it, every file named CASE.kubeconfig there.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/util/cert"
)

type block struct {
	Label   string `json:"label"`
	Line    int    `json:"line"`
	Headers bool   `json:"headers"`
	Sha256  string `json:"sha256"`
	// Of blocks with a certificate.
	Parsed   bool            `json:"parsed"`
	AsServer bool            `json:"as_server"`
	AsClient bool            `json:"as_client"`
	Hosts    map[string]bool `json:"hosts"`
	Error    string          `json:"error"`
}

type verdict struct {
	Case   string  `json:"case"`
	Blocks []block `json:"blocks"`
	// What client-go finds in a CA's file; below zero if it refuses the file as a whole.
	Bundle int `json:"bundle"`
}

func main() {
	if os.Args[1] == "kubeconfigs" {
		judgeKubeconfigs(os.Args[2], os.Stdout)
		return
	}
	dir, now, hosts := os.Args[1], os.Args[2], os.Args[3:]
	at, err := time.Parse(time.RFC3339, now)
	check(err)
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	check(err)
	out := json.NewEncoder(os.Stdout)
	for _, file := range files {
		name := strings.TrimSuffix(file, ".pem")
		text, err := os.ReadFile(file)
		check(err)
		cas, err := os.ReadFile(name + ".ca")
		if err != nil {
			cas, err = os.ReadFile(filepath.Join(dir, "default.ca"))
			check(err)
		}
		check(out.Encode(judge(filepath.Base(name), text, cas, at, hosts)))
	}
}

func judge(name string, text, cas []byte, at time.Time, hosts []string) verdict {
	said := verdict{Case: name, Blocks: []block{}, Bundle: -1}
	if certs, err := cert.ParseCertsPEM(text); err == nil {
		said.Bundle = len(certs)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cas)
	for rest := text; ; {
		found, next := pem.Decode(rest)
		if found == nil {
			return said
		}
		read := block{Label: found.Type, Headers: len(found.Headers) > 0, Line: line(text, rest, next)}
		sum := sha256.Sum256(found.Bytes)
		read.Sha256 = hex.EncodeToString(sum[:])
		rest = next
		read.certificate(found.Bytes, roots, at, hosts)
		said.Blocks = append(said.Blocks, read)
	}
}

func (read *block) certificate(der []byte, roots *x509.CertPool, at time.Time, hosts []string) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		read.Error = err.Error()
		return
	}
	read.Parsed = true
	read.Hosts = map[string]bool{}
	for _, host := range hosts {
		read.Hosts[host] = certificate.VerifyHostname(host) == nil
	}
	as := func(usage x509.ExtKeyUsage) bool {
		options := x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}}
		_, err := certificate.Verify(options)
		if err != nil {
			read.Error = err.Error()
		}
		return err == nil
	}
	read.AsServer = as(x509.ExtKeyUsageServerAuth)
	read.AsClient = as(x509.ExtKeyUsageClientAuth)
}

// The line of the BEGIN of the block that was found between the two rests: the last one before the last END.
func line(text, rest, next []byte) int {
	consumed := rest[:len(rest)-len(next)]
	end := bytes.LastIndex(consumed, []byte("\n-----END "))
	begin := bytes.LastIndex(consumed[:end], []byte("-----BEGIN "))
	return 1 + bytes.Count(text[:len(text)-len(rest)+begin], []byte("\n"))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
