package config

// Report collects the problems that a Validator finds, each at the place of its key.
type Report struct {
	section  *Section
	Problems Problems
}
