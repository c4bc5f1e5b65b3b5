package rest

import (
	"regexp"
	"strings"
)

// cover stands for a secret that is written out in a file.
const cover = "****"

var (
	// secretKey matches the keys that hold secrets, of ours and of the connectors that are stood
	// in for. It goes by names and not by types, so that it also covers the settings of a
	// connector that was refused.
	secretKey = regexp.MustCompile(`(?i)password|secret|token|credential|jaas\.config|keystore\.key$|user\.info|authorization`)
	// secretDefault matches a reference whose default is written out.
	secretDefault = regexp.MustCompile(`^(\$\{env:[^}]*?:-)[^}]+\}$`)
	// secretInURL matches the password in a URL: user:password@ and password=….
	secretInURL = regexp.MustCompile(`(?i)(://[^/?#@:]*:|[?&;]password=)([^@&;/]+)`)
)

// covered is a setting as the API shows it. A reference tells no secret and stays as it is; what
// is written out in a file is covered.
func covered(key, raw string) string {
	if secretKey.MatchString(key) {
		switch {
		case raw == "":
			return raw
		case isReference(raw):
			return secretDefault.ReplaceAllString(raw, "${1}"+cover+"}")
		}
		return cover
	}
	return secretInURL.ReplaceAllStringFunc(raw, func(found string) string {
		parts := secretInURL.FindStringSubmatch(found)
		if isReference(parts[2]) || strings.HasPrefix(parts[1], "://") && !strings.Contains(raw[strings.Index(raw, found)+len(found):], "@") {
			return found // a reference, or host:port without a user before it
		}
		return parts[1] + cover
	})
}

// isReference says whether text is one ${…} and nothing else.
func isReference(text string) bool {
	return strings.HasPrefix(text, "${") && strings.IndexByte(text, '}') == len(text)-1
}
