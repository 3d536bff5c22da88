package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What client-go says of a kubeconfig; empty where it takes it.
type kubeconfigVerdict struct {
	Case string `json:"case"`
	// Of reading the file: it counts for all its users.
	Load string `json:"load"`
	// Of what the current context names, up to the connection.
	Use string `json:"use"`
}

// Judges every file named CASE.kubeconfig in the directory.
func judgeKubeconfigs(dir string, out io.Writer) {
	files, err := filepath.Glob(filepath.Join(dir, "*.kubeconfig"))
	check(err)
	lines := json.NewEncoder(out)
	for _, file := range files {
		said := kubeconfigVerdict{Case: filepath.Base(file)}
		if _, err := clientcmd.LoadFromFile(file); err != nil {
			said.Load = err.Error()
		}
		if err := use(file); err != nil {
			said.Use = err.Error()
		}
		check(lines.Encode(said))
	}
}

// All that a component does before it connects.
func use(file string) error {
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return err
	}
	// Which plugins there are is a matter of the program.
	config.AuthProvider = nil
	if _, _, err := rest.DefaultServerUrlFor(config); err != nil {
		return err
	}
	if _, err := rest.HTTPClientFor(config); err != nil {
		return err
	}
	// A pair of files is loaded with the connection.
	if config.CertFile != "" && len(config.CertData) == 0 && config.KeyFile != "" && len(config.KeyData) == 0 {
		certificate, err := os.ReadFile(config.CertFile)
		if err != nil {
			return err
		}
		key, err := os.ReadFile(config.KeyFile)
		if err != nil {
			return err
		}
		_, err = tls.X509KeyPair(certificate, key)
		return err
	}
	return nil
}
