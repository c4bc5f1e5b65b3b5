//go:build race

package s3

// raceDetector says whether the tests run with it.
const raceDetector = true
