package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// reference finds ${provider:…} and the escape $${, which stands for a plain ${.
var reference = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z][A-Za-z0-9_-]*):([^}]*)\}`)

// foreign are the names that Kafka Connect workers commonly give to the providers that connectd
// does not have. Other words before a colon are no references but text, such as that of a file
// name template.
var foreign = []string{"dir", "directory", "strimzienv", "strimzifile", "strimzidir",
	"secret", "secrets", "configmap", "configmaps", "vault"}

// fileLimit bounds what a reference may read: a secret is small, and /dev/zero has no end.
const fileLimit = 1 << 20

// resolve fills in the values of all entries from what is written, and reports the references
// that have none.
func (s *Section) resolve() Problems {
	var problems Problems
	for i := range s.Entries {
		e := &s.Entries[i]
		value, wrong := expand(e.Raw)
		e.Value, e.unresolved = value, len(wrong) > 0
		for _, text := range wrong {
			problems = append(problems, Problem{Pos: e.Pos, Path: join(s.Path, e.Key), Text: text})
		}
	}
	return problems
}

// expand replaces the references in raw. wrong says which have no value and what to do.
func expand(raw string) (value string, wrong []string) {
	if !strings.Contains(raw, "${") {
		return raw, nil
	}
	var out strings.Builder
	end := 0
	for _, at := range reference.FindAllStringSubmatchIndex(raw, -1) {
		out.WriteString(raw[end:at[0]])
		end = at[1]
		if at[2] < 0 {
			out.WriteString("${")
			continue
		}
		text, complaint := lookup(raw[at[2]:at[3]], raw[at[4]:at[5]], raw[at[0]:at[1]])
		if complaint != "" {
			wrong = append(wrong, complaint)
		}
		out.WriteString(text)
	}
	out.WriteString(raw[end:])
	return out.String(), wrong
}

// lookup is the value of one reference, whole being all of it. A name that is not a provider's
// is no reference: whole stays as it is.
func lookup(provider, name, whole string) (value, wrong string) {
	switch {
	case (provider == "env" || provider == "file") && strings.Contains(name, "${"):
		wrong = "a reference can not hold another one; write the value of the inner one"
	case provider == "env":
		value, wrong = lookupEnv(name)
	case provider == "file":
		value, wrong = lookupFile(name)
	case provider == "strimzienv":
		wrong = fmt.Sprintf("strimzienv is not a provider here; write ${env:%s}", name)
	case slices.Contains(foreign, provider):
		wrong = provider + " is not a provider here; write ${env:VARIABLE}, ${file:PATH:KEY} or ${file:PATH}"
	default:
		near := Nearest(provider, []string{"env", "file"})
		if near == "" {
			return whole, ""
		}
		wrong = fmt.Sprintf("%s is not a provider; did you mean ${%s:%s}? ($${%s:%s} stands for the text itself)",
			provider, near, name, provider, name)
	}
	if wrong != "" {
		return "", whole + ": " + wrong
	}
	return value, ""
}

// lookupEnv is the value of VAR or of VAR:-default, whose default also stands in for an empty
// variable, as in a shell.
func lookupEnv(name string) (value, wrong string) {
	name, fallback, hasFallback := strings.Cut(name, ":-")
	value, set := os.LookupEnv(name)
	switch {
	case name == "":
		return "", "names no environment variable; write ${env:VARIABLE}"
	case hasFallback && value == "":
		return fallback, ""
	case !set:
		return "", fmt.Sprintf("the environment variable %s is not set; set it, or give a default: ${env:%s:-default}", name, name)
	}
	return value, ""
}

// lookupFile is the value of PATH:KEY, a key of a properties file, or of PATH, the whole file
// without the white space at its ends. A file that is there in full under the name PATH:KEY is
// not looked for.
func lookupFile(name string) (value, wrong string) {
	path, key, hasKey := name, "", false
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		path, key, hasKey = name[:i], name[i+1:], true
	}
	if path == "" || hasKey && key == "" {
		return "", "names no file and key; write ${file:PATH:KEY} or ${file:PATH}"
	}
	data, err := readSmall(path)
	if err != nil {
		return "", fmt.Sprintf("can not read the file %q: %v; check the path and its permissions", path, cause(err))
	}
	if !hasKey {
		return string(bytes.TrimSpace(data)), ""
	}
	properties, err := parseProperties(data)
	if err != nil {
		return "", fmt.Sprintf("the file %q is not a properties file: %v", path, err)
	}
	value, ok := properties[key]
	if !ok {
		// The keys that are there are not listed: of a file that holds nothing but a password,
		// the password would be the key.
		return "", fmt.Sprintf("the file %q has no key %q; add a line %s=…, or write ${file:%s} for the whole file", path, key, key, path)
	}
	return value, ""
}

// readSmall is the content of a file of at most fileLimit bytes.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > fileLimit {
		return nil, fmt.Errorf("it is larger than %v", Size(fileLimit))
	}
	return data, nil
}
