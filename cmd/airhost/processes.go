package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
)

// source is where the guest of component i comes from.
func source(file *config.File, i int) (core.Source, error) {
	c := &file.Components[i]
	if c.Engine != process.Name {
		return core.Source{Path: c.Source}, nil
	}
	p := &c.Process
	env, err := processEnv(file, p.Env, p.EnvFrom, fmt.Sprintf("components[%d].process", i))
	return process.Source(process.Command{
		Path: c.Source, Args: p.Args, Env: env, SHA256: hex.EncodeToString(p.SHA256),
		Limits: process.Limits{Memory: int64(p.Memory), OpenFiles: p.OpenFiles, CPUTime: time.Duration(p.CPUTime)},
	}), err
}

// processEnv is what a process gets: what the file says, and the variables of
// airhost's own that it names. An error is a config.Mistakes.
func processEnv(file *config.File, given config.Pairs, from []string, path string) ([]string, error) {
	var env []string
	for _, variable := range given {
		env = append(env, variable.Key+"="+variable.Value)
	}
	for i, name := range from {
		value, set := os.LookupEnv(name)
		if !set {
			at := fmt.Sprintf("%s.env_from[%d]", path, i)
			return nil, config.Mistakes{file.Mistake(at, name+" is not set in the environment of airhost")}
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}
