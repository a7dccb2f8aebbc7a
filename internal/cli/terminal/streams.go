package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are the input and output of a command, with the properties of the terminal behind them.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	// Width is the number of columns of Out. It is 0 if Out is not a terminal; then lines are not wrapped.
	Width int
	// Colour reports whether Out shows colour.
	Colour bool
	// ErrIsTerminal reports whether ErrOut can overwrite a line that it has shown.
	ErrIsTerminal bool
	// NoProgress disables progress, which depends on the speed of the machine, where the whole of ErrOut is compared.
	NoProgress bool
}

// Standard returns the streams of the process.
func Standard() Streams {
	s := Streams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	if out := int(os.Stdout.Fd()); term.IsTerminal(out) {
		if width, _, err := term.GetSize(out); err == nil {
			s.Width = width
		}
		_, unwanted := os.LookupEnv("NO_COLOR")
		s.Colour = !unwanted && os.Getenv("TERM") != "dumb"
	}
	s.ErrIsTerminal = term.IsTerminal(int(os.Stderr.Fd()))
	return s
}

// Style is a style for a piece of text. It never carries information that the text does not contain.
type Style string

// The available styles.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// Paint returns the text in the style if Out shows colour.
func (s *Streams) Paint(text string, style Style) string {
	if !s.Colour || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Quiet returns streams that discard all output.
func Quiet(in io.Reader) Streams {
	return Streams{In: in, Out: io.Discard, ErrOut: io.Discard}
}
