// Package worker runs the connectors of a process. In go connectors that package connector has
// accepted, or refused, and wishes: pause, resume, stop, restart, signal; out come their statuses and
// metrics. Each connector has one goroutine that brings its tasks to what is wanted.
package worker
