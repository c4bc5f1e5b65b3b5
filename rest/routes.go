package rest

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
)

// endpoint answers one method of one path. An error that is not a *problem is answered as 500.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// methods are the endpoints of one path by method. HEAD goes to GET, OPTIONS lists them.
type methods map[string]endpoint

// router finds the endpoint of a request and answers in JSON what net/http would answer as text.
type router struct{ mux *http.ServeMux }

func newRouter() *router {
	r := &router{mux: http.NewServeMux()}
	r.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { answerUnrouted(w, http.StatusNotFound) })
	return r
}

// handle answers the requests to pattern, a path of http.ServeMux without a method.
func (r *router) handle(pattern string, m methods) { r.mux.Handle(pattern, m) }

// ServeHTTP takes a slash at the end of the path away, which clients add to any of them.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	escaped := req.URL.EscapedPath()
	if trimmed := strings.TrimSuffix(escaped, "/"); trimmed != "" && trimmed != escaped {
		req = trimSlash(req)
	}
	if p := req.URL.Path; p == "" || path.Clean(p) != p {
		answerUnrouted(w, http.StatusNotFound) // ServeMux would redirect it, with a page of HTML
		return
	}
	r.mux.ServeHTTP(w, req)
}

// trimSlash is req without the slash at the end of its path.
func trimSlash(req *http.Request) *http.Request {
	short, u := *req, *req.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	short.URL = &u
	return &short
}

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves out the body
	}
	serve, ok := m[method]
	switch {
	case method == http.MethodOptions:
		w.Header().Set("Allow", m.allowed())
		w.Header().Set("Content-Type", "application/json")
	case !ok:
		w.Header().Set("Allow", m.allowed())
		answerUnrouted(w, http.StatusMethodNotAllowed)
	case !acceptable(r):
		answerUnrouted(w, http.StatusUnsupportedMediaType)
	default:
		if err := serve(w, r); err != nil {
			var p *problem
			if !errors.As(err, &p) {
				p = refuse(http.StatusInternalServerError, "%v", err)
			}
			answerProblem(w, p)
		}
	}
}

// allowed is the value of the Allow header.
func (m methods) allowed() string {
	names := append(slices.Collect(maps.Keys(m)), http.MethodOptions)
	if _, ok := m[http.MethodGet]; ok {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// acceptable says whether the body of r is JSON, says not what it is, or is not there.
func acceptable(r *http.Request) bool {
	given := r.Header.Get("Content-Type")
	if given == "" || r.Body == http.NoBody || r.ContentLength == 0 {
		return true
	}
	media, _, err := mime.ParseMediaType(given)
	return err == nil && media == "application/json"
}
