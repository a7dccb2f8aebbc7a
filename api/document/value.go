package document

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseInstant parses exactly RFC 3339 with capital letters; time.Parse alone is more lenient. It uses the first nine
// digits of a fraction.
func parseInstant(text string) (time.Time, bool) {
	const seconds, zone = len("2006-01-02T15:04:05"), len("+00:00")
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || len(text) <= seconds || text[seconds-len(":04:05")] != ':' || text[seconds] == ',' {
		return time.Time{}, false
	}
	if !strings.HasSuffix(text, "Z") {
		offset := text[len(text)-zone:]
		if offset[1:3] > "23" || offset[4:] > "59" {
			return time.Time{}, false
		}
	}
	return t, true
}

// decimal is an exact decimal number of any size.
type decimal struct {
	negative bool
	// whole has no leading zeros and fraction no trailing zeros. Both are empty for zero, which is never negative.
	whole, fraction string
}

// parseDecimal parses ASCII digits with an optional sign and an optional point, such as 12, -0.5 or +007. Exponents and
// blanks are not allowed.
func parseDecimal(text string) (decimal, bool) {
	var d decimal
	if text != "" && (text[0] == '-' || text[0] == '+') {
		d.negative = text[0] == '-'
		text = text[1:]
	}
	whole, fraction, point := strings.Cut(text, ".")
	if !digits(whole) || point && !digits(fraction) {
		return decimal{}, false
	}
	d.whole, d.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	d.negative = d.negative && d.whole+d.fraction != ""
	return d, true
}

// parseNumber parses a JSON number, including exponents within the range of float64.
func parseNumber(text string) (decimal, bool) {
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	d, ok := parseDecimal(mantissa)
	if !ok || !has {
		return d, ok
	}
	const most = 400
	shift, err := strconv.Atoi(exponent)
	if err != nil || shift < -most || shift > most {
		return decimal{}, false
	}
	if shift >= 0 {
		fraction := d.fraction + strings.Repeat("0", max(0, shift-len(d.fraction)))
		d.whole, d.fraction = d.whole+fraction[:shift], fraction[shift:]
	} else {
		whole := strings.Repeat("0", max(0, -shift-len(d.whole))) + d.whole
		d.whole, d.fraction = whole[:len(whole)+shift], whole[len(whole)+shift:]+d.fraction
	}
	d.whole, d.fraction = strings.TrimLeft(d.whole, "0"), strings.TrimRight(d.fraction, "0")
	return d, true
}

// floatDecimal returns the decimal value of a float: its exact value if that is a whole number, as databases convert
// such floats to integers, and otherwise the shortest decimal that parses to the same float.
func floatDecimal(f float64, bits int) decimal {
	precision := -1
	if f == math.Trunc(f) {
		precision = 0
	}
	d, _ := parseDecimal(strconv.FormatFloat(f, 'f', precision, bits))
	return d
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(len(d.whole), len(e.whole)), strings.Compare(d.whole, e.whole),
		strings.Compare(d.fraction, e.fraction))
	if d.negative {
		return -c
	}
	return c
}

// String returns the number in a form that every SQL engine reads.
func (d decimal) String() string {
	text := d.whole
	if text == "" {
		text = "0"
	}
	if d.fraction != "" {
		text += "." + d.fraction
	}
	if d.negative {
		text = "-" + text
	}
	return text
}

// floor returns the largest whole number that is not larger, if an int64 can hold it. Otherwise side tells on which
// side of the range it is.
func (d decimal) floor() (n int64, side int) {
	limit := 1
	if d.negative {
		limit = -1
	}
	whole := decimal{negative: d.negative, whole: d.whole}
	n, err := strconv.ParseInt(whole.String(), 10, 64)
	if err != nil {
		return 0, limit
	}
	if d.negative && d.fraction != "" {
		if n--; n > 0 { // below the smallest
			return 0, limit
		}
	}
	return n, 0
}
