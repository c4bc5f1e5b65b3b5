// Package api reads HTTP APIs that answer questions: it asks page after page, sends what is new as
// records, and asks again after a while.
//
// One walk over all pages is a pass. In comes the stored state of an endpoint: the cursor, up to
// which everything was sent, the page at which an unfinished pass goes on, and the set of the
// records that the next pass will meet again. Out go the records, each page with the state that
// is true once its records are durable. The cursor moves at the end of a pass, and never beyond
// the pass's start, because only a whole pass has seen everything that is older.
//
// The endpoints of a connector are shared among its tasks. Each has a goroutine that walks, and one
// more while the page behind the one at hand is on its way.
package api
