package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// problem is an error answer in Kafka Connect's form.
type problem struct {
	Code    int    `json:"error_code"` // the status again
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Message }

// refuse is a problem with that status.
func refuse(status int, format string, args ...any) *problem {
	return &problem{Code: status, Message: fmt.Sprintf(format, args...)}
}

// answer writes body as JSON.
func answer(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status = http.StatusInternalServerError
		data, _ = json.Marshal(refuse(status, "write the answer: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that is gone needs no answer
}

// answerProblem writes p as the answer.
func answerProblem(w http.ResponseWriter, p *problem) { answer(w, p.Code, p) }

// answerUnrouted writes what Kafka Connect's web server says to requests that reach no endpoint:
// the status with its text, and no Content-Type.
func answerUnrouted(w http.ResponseWriter, status int) {
	data, _ := json.Marshal(unrouted(status)) // a number and a string are always JSON
	w.Header()["Content-Type"] = nil          // otherwise net/http guesses one
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that is gone needs no answer
}

func unrouted(status int) *problem {
	return refuse(status, "HTTP %d %s", status, http.StatusText(status))
}
