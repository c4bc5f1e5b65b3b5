package connect

import "connectd/config"

// RuntimeSettings are the runtime's own settings of a source or a sink, which every connector
// takes beside those of its plugin: for the reference and the REST API.
func RuntimeSettings(k Kind) config.Settings {
	if k == SourceKind {
		return &sourceSettings{}
	}
	return &sinkSettings{}
}
