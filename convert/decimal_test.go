package convert

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// unscaledText is the decimal text of octets at scale, by math/big.
func unscaledText(octets []byte, scale int) string {
	n := new(big.Int).SetBytes(octets)
	if octets[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(octets))))
	}
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	text := digits[:len(digits)-scale]
	if scale > 0 {
		text += "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 || octets[0] >= 0x80 {
		text = "-" + text
	}
	return text
}

// TestAppendUnscaled reads decimals of every size, the limits of each among them.
func TestAppendUnscaled(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for size := 1; size <= 20; size++ {
		for i := range 200 {
			octets := make([]byte, size)
			for j := range octets {
				octets[j] = [...]byte{0, 0xFF, byte(r.Uint32()), byte(r.Uint32())}[min(i, 3)]
			}
			if i%7 == 0 {
				octets[0] = 0x80
			}
			if i%11 == 0 {
				octets[0] = 0x7F
			}
			for _, scale := range []int{0, 2, 19, 30} {
				got, err := AppendUnscaled(nil, octets, scale)
				if want := unscaledText(octets, scale); string(got) != want || err != nil {
					t.Fatalf("%x at scale %d: got %s (%v), want %s", octets, scale, got, err, want)
				}
				if back, err := AppendDecimal(nil, got, scale); err != nil || unscaledText(back, scale) != string(got) {
					t.Fatalf("%s at scale %d is written as %x (%v)", got, scale, back, err)
				}
			}
		}
	}
	octets, dst := []byte{0x80, 15: 1}, make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst, _ = AppendUnscaled(dst[:0], octets, 2) }); n > 0 {
		t.Errorf("%v allocations for a decimal of 16 octets, want none", n)
	}
}
