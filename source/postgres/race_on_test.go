//go:build race

package postgres

// raceDetector says that the tests run with it: then a sync.Pool forgets what it has now and then.
const raceDetector = true
