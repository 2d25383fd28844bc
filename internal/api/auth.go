package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

const contextClient = "client"

// client names the key of a request; empty when the service is open.
func client(c echo.Context) string {
	name, _ := c.Get(contextClient).(string)
	return name
}

// authenticate lets in whoever sends one of the keys.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	if len(s.o.Keys) == 0 {
		return next
	}
	return func(c echo.Context) error {
		scheme, key, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
		key = strings.TrimSpace(key)
		if !strings.EqualFold(scheme, "Bearer") || key == "" {
			return failure(http.StatusUnauthorized, codeUnauthorized, "This service needs a key; send it as Authorization: Bearer <key>")
		}
		name, ok := s.caller(key)
		if !ok {
			return failure(http.StatusUnauthorized, codeUnauthorized, "This key is not known; check it, or ask the operator for one")
		}
		c.Set(contextClient, name)
		return next(c)
	}
}

// caller compares with every key, and in constant time each: how long an answer takes tells nothing about the keys.
func (s *Server) caller(key string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(key))
	for i := range s.o.Keys {
		if subtle.ConstantTimeCompare(sum[:], s.o.Keys[i].Hash[:]) == 1 {
			name, ok = s.o.Keys[i].Name, true
		}
	}
	return name, ok
}
