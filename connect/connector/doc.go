// Package connector makes a connector of its settings. In go its section of a file, the worker's
// settings and the table of plugins; out comes a Connector, ready to run, or all that is wrong with
// it. A Connector builds what its tasks need, each task its own: the source or sink, the chain of
// transforms, the converters, the clients with its overrides; and it knows what becomes of a record
// that can not be processed.
package connector
