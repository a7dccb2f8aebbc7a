package document

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseInstant takes what RFC 3339 takes, with capital letters, and nothing else: time.Parse alone is more lenient. Of a
// fraction the first nine digits count.
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

// decimal is a decimal number of any size, exactly.
type decimal struct {
	negative bool
	// whole has no leading zeros, fraction no trailing ones. Of zero both are empty, and it is not negative.
	whole, fraction string
}

// parseDecimal takes digits with a sign before and a point among them, if any: 12, -0.5, +007. Exponents, blanks and
// other digits than ASCII's are no decimal.
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

// parseNumber takes what JSON takes for a number, exponents included as far as float64 goes.
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

// floatDecimal gives the decimal that a float stands for: a whole number exactly, as databases make integers of such,
// and else the shortest one that reads back as the float.
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

// String gives the one way to write the number that every SQL engine reads.
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

// floor gives the largest whole number that is not larger, if an int64 holds it; if none does, which side it is on.
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
