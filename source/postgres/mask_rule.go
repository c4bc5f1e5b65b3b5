package postgres

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"hash"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maskRule is one property column.mask.… or column.truncate.…
type maskRule struct {
	columns  patterns
	truncate bool
	chars    int              // characters to leave, or asterisks to write
	digest   func() hash.Hash // nil for no hash
	salt     string
	java     bool // hash the text as Java serializes it
}

var (
	maskChars = regexp.MustCompile(`^with\.(\d{1,9})\.chars$`)
	maskHash  = regexp.MustCompile(`^hash\.(v2\.)?([^.]+)\.with\.salt\.(.+)$`)
	truncated = regexp.MustCompile(`^(\d{1,9})\.chars$`)
)

// digests are the algorithms that Java has, by their names there in lower case.
var digests = map[string]func() hash.Hash{
	"md5": md5.New, "sha": sha1.New, "sha1": sha1.New, "sha-1": sha1.New, "sha-224": sha256.New224, "sha-256": sha256.New,
	"sha-384": sha512.New384, "sha-512": sha512.New, "sha-512/224": sha512.New512_224, "sha-512/256": sha512.New512_256,
	"sha3-224": func() hash.Hash { return sha3.New224() }, "sha3-256": func() hash.Hash { return sha3.New256() },
	"sha3-384": func() hash.Hash { return sha3.New384() }, "sha3-512": func() hash.Hash { return sha3.New512() },
}

// newMaskRule is the property column.mask.key, whose value is columns.
func newMaskRule(key, columns string) (maskRule, error) {
	var k maskRule
	var err error
	if k.columns, err = newPatterns(strings.Split(columns, ",")); err != nil {
		return k, err
	}
	if m := maskChars.FindStringSubmatch(key); m != nil {
		k.chars, err = strconv.Atoi(m[1])
		return k, err
	}
	m := maskHash.FindStringSubmatch(key)
	if m == nil {
		return k, fmt.Errorf("is not a mask; write column.mask.with.5.chars or column.mask.hash.v2.SHA-256.with.salt.SALT")
	}
	k.java, k.salt = m[1] == "", m[3]
	if k.digest = digests[strings.ToLower(m[2])]; k.digest == nil {
		return k, fmt.Errorf("%q is not a hash algorithm; write one of %s", m[2], strings.ToUpper(strings.Join(slices.Sorted(maps.Keys(digests)), ", ")))
	}
	return k, nil
}

// newTruncation is the property column.truncate.to.key, whose value is columns.
func newTruncation(key, columns string) (maskRule, error) {
	k := maskRule{truncate: true}
	m := truncated.FindStringSubmatch(key)
	if m == nil {
		return k, fmt.Errorf("is not a length; write column.truncate.to.20.chars")
	}
	var err error
	if k.chars, err = strconv.Atoi(m[1]); err != nil {
		return k, err
	}
	k.columns, err = newPatterns(strings.Split(columns, ","))
	return k, err
}

// maskRules are the rules of c, the first that matches counts: Debezium's order. fail is called
// with each key that is none.
func (c *Columns) maskRules(fail func(key string, err error)) []maskRule {
	var rules []maskRule
	add := func(prefix string, properties map[string]string, make func(key, columns string) (maskRule, error)) {
		for _, key := range slices.SortedFunc(maps.Keys(properties), compareMasks) {
			rule, err := make(key, properties[key])
			if err != nil {
				fail(prefix+key, err)
				continue
			}
			rules = append(rules, rule)
		}
	}
	add("column.truncate.to.", c.Truncate, newTruncation)
	add("column.mask.", c.Mask, newMaskRule)
	return rules
}

// compareMasks puts masks with asterisks before hashes, and v2 after them.
func compareMasks(a, b string) int {
	order := func(key string) int {
		return slices.IndexFunc([]string{"hash.v2.", "hash.", ""}, func(p string) bool { return strings.HasPrefix(key, p) })
	}
	if n := order(b) - order(a); n != 0 {
		return n
	}
	return strings.Compare(a, b)
}
