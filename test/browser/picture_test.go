package browser_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// picture is the size of docs/matrix.png.
var picture = device{width: 1000, height: 470}

// savePicture writes the page as matrix.png into the directory that USHER_SCREENSHOTS names. docs/matrix.png is made
// with it. Shades of grey keep the file small.
func savePicture(t *testing.T, p *tab) {
	t.Helper()
	directory := os.Getenv("USHER_SCREENSHOTS")
	if directory == "" {
		t.Skip("USHER_SCREENSHOTS names no directory")
	}
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	colored, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	const shades = 32
	var palette color.Palette
	for i := range shades {
		palette = append(palette, color.Gray{Y: uint8(i * 255 / (shades - 1))})
	}
	grey := image.NewPaletted(colored.Bounds(), palette)
	draw.Draw(grey, grey.Bounds(), colored, colored.Bounds().Min, draw.Src)
	var encoded bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&encoded, grey); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "matrix.png"), encoded.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
