package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Lookup reads one variable and says whether it is set: os.LookupEnv, or a test's own map. It is not os.Getenv, because a
// variable that is set and empty means something else than one that is not set: DENIED_NAMES= turns the check off.
type Lookup func(key string) (value string, set bool)

// Process is one of API, Worker and Standalone.
type Process interface {
	// Validate says what makes no sense, naming the variable and what to write instead.
	Validate() error
}

// Load fills cfg from the environment, takes the default of what is not set, and validates it. A variable that is set but
// empty counts as not set, as compose files and Kubernetes manifests leave them, except for lists, where empty is a value.
func Load(cfg Process, lookup Lookup) error {
	vars := variables(cfg)
	environ := make(map[string]string, len(vars))
	byField := make(map[string]string, len(vars))
	for _, v := range vars {
		byField[v.field] = v.name
		value, set := lookup(v.name)
		switch value = strings.TrimSpace(value); {
		case value != "":
			environ[v.name] = value
		case set && v.list:
			// The parser would put the default in the place of an empty value; a list without any entry it leaves alone.
			environ[v.name] = ","
		case v.fallback != "":
			environ[v.name] = v.fallback
		}
	}

	err := env.ParseWithOptions(cfg, env.Options{
		Environment: environ,
		// Defaults are in environ already: standalone's are not those of the tags, and none at all is a default too.
		DefaultValueTagName: "-",
	})
	if err != nil {
		return parseError(err, byField, environ)
	}
	if err := resolve(cfg, lookup); err != nil {
		return err
	}
	return cfg.Validate()
}

// resolve settles what depends on more than one variable.
func resolve(cfg Process, lookup Lookup) error {
	var api *API
	switch c := cfg.(type) {
	case *API:
		api = c
	case *Standalone:
		api = &c.API
	default:
		return nil
	}
	if api.Port != "" {
		if err := checkPort(api.Port); err != nil {
			return err
		}
	}
	if addr, _ := lookup("LISTEN_ADDR"); strings.TrimSpace(addr) == "" {
		switch {
		case api.Port != "":
			api.ListenAddr = ":" + api.Port
		case len(api.APIKeys) > 0:
			// Whoever made keys means to be called by others. Without any the default reaches no further than this machine.
			api.ListenAddr = ":8080"
		}
	}
	// Cloud Run gives each service its name, and its front end passes on only what was meant for that name.
	if service, _ := lookup("K_SERVICE"); service != "" && len(api.AllowedHosts) == 0 {
		api.AllowedHosts = Hosts{Any}
	}
	return nil
}

// parseError names the variables where the parser names struct fields, and says each just once: standalone holds the
// settings of Service twice.
func parseError(err error, byField map[string]string, environ map[string]string) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	var out []error
	said := map[string]bool{}
	for _, e := range all.Errors {
		var p env.ParseError
		if !errors.As(e, &p) {
			out = append(out, e)
			continue
		}
		name := byField[p.Name]
		if said[name] {
			continue
		}
		said[name] = true
		out = append(out, fmt.Errorf("%s: %s", name, problem(environ[name], p)))
	}
	return errors.Join(out...)
}

func problem(value string, p env.ParseError) string {
	if _, own := errors.AsType[*formatError](p.Err); own {
		return p.Err.Error()
	}
	switch p.Type.Kind() {
	case reflect.Int64:
		if p.Type == durationType {
			return fmt.Sprintf("%q is not a duration; write a number and a unit, such as 10s, 500ms or 24h", value)
		}
		fallthrough
	case reflect.Int:
		return fmt.Sprintf("%q is not a whole number; write digits only, such as 100", value)
	case reflect.Float64:
		return fmt.Sprintf("%q is not a number; write one such as 5 or 0.5", value)
	}
	return fmt.Sprintf("%q: %v", value, p.Err)
}
