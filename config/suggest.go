package config

import "strings"

// nearestKey is the one of keys that was probably meant by key, "" when none is near: the
// nearest spelling, or the key that ends like it (hostname for database.hostname).
func nearestKey(key string, keys []string) string {
	if near := Nearest(key, keys); near != "" {
		return near
	}
	for _, k := range keys {
		if key != "" && strings.HasSuffix(k, "."+key) {
			return k
		}
	}
	return ""
}

// meant is the advice for an unknown word where only some are allowed.
func meant(word string, words []string) string {
	if near := Nearest(word, words); near != "" {
		return "did you mean " + near + "?"
	}
	return "the keys are " + strings.Join(words, ", ")
}

// Nearest is the one of words that differs least from word, "" when all differ too much: by more
// than a quarter of its letters, or 3. The first of equals wins.
func Nearest(word string, words []string) string {
	best, found := min(3, max(1, len(word)/4))+1, ""
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w), best); d < best && d < len(word) {
			best, found = d, w
		}
	}
	return found
}

// distance is the number of letters to add, drop, change or swap with their neighbour to turn a
// into b (optimal string alignment), or at least limit when it is not smaller.
// See https://en.wikipedia.org/wiki/Damerau–Levenshtein_distance.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
