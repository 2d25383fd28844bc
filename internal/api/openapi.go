package api

import (
	_ "embed"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// openAPI describes this API, in OpenAPI 3.1. It is the one place where that is written: the routes, codes and fields in the code are held to it
// by tests, and so is every request and answer of the end-to-end suite.
//
//go:embed openapi.json
var openAPI []byte

// describe is GET /openapi.json.
func (s *Server) describe(c echo.Context) error {
	h := c.Response().Header()
	setDocumentHeaders(h)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(openAPI)))
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	allowed := paceOf(c)
	return writePieces(c, openAPI, allowed, time.Now().Add(allowed.send))
}
