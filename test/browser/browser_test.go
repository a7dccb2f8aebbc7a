package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// limit bounds what a test does in one tab, and patience bounds the wait for one condition. Both usually take a moment,
// but not on a busy machine.
const (
	limit    = 5 * time.Minute
	patience = time.Minute
)

// variable names the browser to use.
const variable = "USHER_BROWSER"

// findBrowser returns the path of the browser. Without a browser it skips the test, because working on Usher requires
// only Go, git and make. With CI=true it fails the test instead.
func findBrowser(t *testing.T) string {
	t.Helper()
	if named := os.Getenv(variable); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "no browser: install Chromium or Chrome, or name one in " + variable
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// startBrowser returns the context of a headless browser with an empty profile.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(findBrowser(t)), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.WSURLReadTimeout(limit),
	}
	// The pages need no network, and the browser must not use any.
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(name, true))
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // as root, the browser refuses to run with a sandbox
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return browser
}

// plugin runs the plugin of this checkout.
type plugin string

func buildPlugin(t *testing.T) plugin {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubectl-access")
	command := exec.Command("go", "build", "-o", path, "./cmd/kubectl-access")
	command.Dir = "../.."
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	return plugin(path)
}

// page writes the output of the plugin to a file and returns the address of the file.
func (p plugin) page(t *testing.T, args ...string) string {
	t.Helper()
	var errOut bytes.Buffer
	command := exec.Command(string(p), append(args, "-o", "html")...)
	command.Dir = "../.."
	command.Stderr = &errOut
	command.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(t.TempDir(), "none"))
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, errOut.String())
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// tab is an open page.
type tab struct {
	ctx context.Context

	mu       sync.Mutex
	messages []string
}

// device is a screen.
type device struct {
	width, height int64
	mobile        bool
	withoutScript bool
}

var (
	desktop = device{width: 1280, height: 900}
	phone   = device{width: 390, height: 844, mobile: true}
)

// openTab opens the page in its own tab.
func openTab(t *testing.T, browser context.Context, address string, on device) *tab {
	t.Helper()
	opened := &tab{}
	browser, cancel := context.WithTimeout(browser, limit)
	t.Cleanup(cancel)
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithListener(opened.listen))
	t.Cleanup(closeTab)
	opened.ctx = ctx
	viewport := chromedp.EmulateViewport(on.width, on.height)
	if on.mobile {
		viewport = chromedp.EmulateViewport(on.width, on.height, chromedp.EmulateMobile)
	}
	script := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: on.withoutScript})
		return err
	})
	opened.do(t, script, viewport, chromedp.Navigate(address))
	return opened
}

// listen records complaints of the browser and effects of foreign scripts.
func (p *tab) listen(event any) {
	var note string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		note = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		note = "console: " + string(e.Type)
	case *log.EventEntryAdded:
		note = string(e.Entry.Source) + ": " + e.Entry.Text
	case *page.EventJavascriptDialogOpening:
		note = "dialog: " + e.Message
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, note)
}

// complaints returns the complaints so far.
func (p *tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.messages...)
}

func (p *tab) silent(t *testing.T) {
	t.Helper()
	if got := p.complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

func (p *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// look returns the value of an expression as JSON.
func (p *tab) look(t *testing.T, expression string) string {
	t.Helper()
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("JSON.stringify("+expression+")"))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// expect waits until the page is complete and the expression has the value. It asks the page again and again, because
// the page may be on its way to another one, and because scripts may be disabled in it. The polling of chromedp would
// create a function from text, which the page's policy forbids.
func (p *tab) expect(t *testing.T, expression string, want any) {
	t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
	script := `document.readyState === "complete" ? JSON.stringify(` + expression + `) ?? "undefined" : "the page is not complete"`
	const pause = 25 * time.Millisecond
	again := time.Tick(pause)
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end) && p.ctx.Err() == nil; <-again {
		if got, err = chromedp.Run(p.ctx, chromedp.Evaluate[string](script)); err == nil && got == wanted {
			return
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	t.Errorf("%s\n got %s\nwant %s", expression, got, wanted)
}

// screenshot saves a screenshot if USHER_SCREENSHOTS names a directory.
func (p *tab) screenshot(t *testing.T, name string) {
	t.Helper()
	directory := os.Getenv("USHER_SCREENSHOTS")
	if directory == "" {
		return
	}
	image, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, name+".png"), image, 0o600); err != nil {
		t.Fatal(err)
	}
}
