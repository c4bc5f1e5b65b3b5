package sinktask

import "testing"

func TestIntent(t *testing.T) {
	i := newIntent(42, "01234567")
	text := i.metadata()
	if len(text) > 130 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	back, err := parseIntent(text, 41)
	if err != nil || back.End != 42 || back.ID != i.ID || back.Config != "01234567" || back.Time != i.Time {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
	for _, foreign := range []string{"", "hello", "{}", `{"v":1}`, "[1]"} {
		if back, err := parseIntent(foreign, 0); back != nil || err != nil {
			t.Errorf("%q is read as %+v, %v", foreign, back, err)
		}
	}
	for _, wrong := range []string{`{"v":2,"end":5,"id":"ab"}`, `{"v":1,"end":5,"id":"ab"}`} {
		if _, err := parseIntent(wrong, 5); err == nil {
			t.Errorf("%s at offset 5 is accepted", wrong)
		}
	}
}
