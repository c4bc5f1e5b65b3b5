// Package conform is the suite that every source and every sink passes: what the runtime relies
// on and no type can say. A connector's own tests describe how to build it and how to look at
// its external system, and call Source or Sink; Start runs a source for tests of any kind.
package conform
