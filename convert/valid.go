package convert

// CheckJSON is nil when text is one JSON value with nothing but white space around it. It
// allocates nothing.
func CheckJSON(text []byte) error {
	s := scanner{data: text}
	if err := s.skip(); err != nil {
		return err
	}
	return s.end()
}
