// A module of its own, so that what drives a browser never decides what Usher depends on.
module github.com/usher-dev/usher/test/browser

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
)

require github.com/go-json-experiment/json v1.27.2 // indirect
