package connector

import (
	"connectd/config"
	"connectd/connect"
)

// RuntimeSettings are the runtime's own settings of a source or a sink, which every connector
// takes beside those of its plugin: for the reference and the REST API.
func RuntimeSettings(k connect.Kind) config.Settings {
	if k == connect.SourceKind {
		return &SourceSettings{}
	}
	return &SinkSettings{}
}
