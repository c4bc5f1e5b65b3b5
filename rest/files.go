package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// bodyLimit bounds the settings of one connector.
const bodyLimit = 1 << 20

// create refuses a new connector: connectors are defined in files.
func (a *api) create(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Name   string `json:"name"`
		Config struct {
			Name string `json:"name"`
		} `json:"config"`
	}
	if err := decode(w, r, &request); err != nil {
		return err
	}
	if request.Name == "" {
		request.Name = request.Config.Name
	}
	return a.inFiles(request.Name)
}

// replace refuses other settings.
func (a *api) replace(_ http.ResponseWriter, r *http.Request) error {
	return a.inFiles(r.PathValue("name"))
}

// patch refuses a changed setting.
func (a *api) patch(_ http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "Connector %s not found")
	if err != nil {
		return err
	}
	return a.inFiles(s.Name)
}

// remove refuses to delete a connector.
func (a *api) remove(_ http.ResponseWriter, r *http.Request) error { return a.patch(nil, r) }

// inFiles says which file to change instead.
func (a *api) inFiles(name string) *problem {
	c, ok := a.written[name]
	if !ok {
		return refuse(http.StatusForbidden,
			"connector %q can not be created over REST: this worker takes its connectors from files; write it into one of them and restart connectd", name)
	}
	return refuse(http.StatusForbidden,
		"connector %q is defined in %s:%d; change it there and restart connectd", name, c.Pos.File, c.Pos.Line)
}

// decode reads the body of r, one JSON value, into v.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "read the body: %v", err)
	}
	if len(data) == 0 {
		return refuse(http.StatusBadRequest, "the body is empty; send the connector as a JSON object")
	}
	if err := json.Unmarshal(data, v); err != nil {
		line, column := placeOf(err, data)
		return refuse(http.StatusBadRequest, "the body is not a connector in JSON: line %d, column %d: %v", line, column, err)
	}
	return nil
}

// placeOf is where in data the decoder stopped, counted from 1.
func placeOf(err error, data []byte) (line, column int) {
	var offset int64
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		offset = e.Offset - 1
	}
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		offset = e.Offset - 1
	}
	line, column = 1, 1
	for _, c := range data[:min(max(offset, 0), int64(len(data)))] {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}
