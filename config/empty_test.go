package config

import "testing"

type choosing struct {
	Free  string `yaml:"free" values:"a,b" doc:"one of two, or none"`
	Bound string `yaml:"bound" values:"a,b" doc:"one of two"`
}

func (c *choosing) Defaults()        { c.Bound = "a" }
func (c *choosing) Validate(*Report) {}

// TestEmptyChoice makes sure that an empty text is as good as none where that is the default, as
// in files that write all defaults out, and nowhere else.
func TestEmptyChoice(t *testing.T) {
	for key, refused := range map[string]bool{"free": false, "bound": true} {
		problems := Decode(&Section{Path: "x", Entries: []Entry{{Key: key}}}, new(choosing))
		if err := problems.Err(); (err != nil) != refused {
			t.Errorf("%s: got %v, refused should be %v", key, err, refused)
		}
	}
}
