package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// limit is how long a browser may take for what takes a moment.
const limit = time.Minute

// variable names the browser to take.
const variable = "USHER_BROWSER"

// findBrowser skips the test where there is none: to work on Usher takes Go, git and make.
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
	t.Skipf("no browser: install Chromium or Chrome, or name one in %s", variable)
	return ""
}

// startBrowser returns the context of a browser without a window and without a past.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(findBrowser(t)), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.WSURLReadTimeout(limit),
	}
	// The pages need no network, and the browser shall not look for any.
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(name, true))
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to run as root with one
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

// page writes what the plugin prints to a file, and returns its address.
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

// tab is a page that somebody looks at.
type tab struct {
	ctx context.Context

	mu       sync.Mutex
	messages []string
}

// device is what somebody looks with.
type device struct {
	width, height int64
	mobile        bool
	withoutScript bool
}

var (
	desktop = device{width: 1280, height: 900}
	phone   = device{width: 390, height: 844, mobile: true}
)

// openTab opens the page in a tab of its own.
func openTab(t *testing.T, browser context.Context, address string, on device) *tab {
	t.Helper()
	made := &tab{}
	browser, cancel := context.WithTimeout(browser, limit)
	t.Cleanup(cancel)
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithListener(made.listen))
	t.Cleanup(closeTab)
	made.ctx = ctx
	viewport := chromedp.EmulateViewport(on.width, on.height)
	if on.mobile {
		viewport = chromedp.EmulateViewport(on.width, on.height, chromedp.EmulateMobile)
	}
	script := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: on.withoutScript})
		return err
	})
	made.do(t, script, viewport, chromedp.Navigate(address))
	return made
}

// listen notes what the browser complains of, and what only a script of somebody else would do.
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

// complaints are those so far.
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

// expect waits until the expression has the value. It waits in the page, frame by frame; the polling of chromedp makes
// a function of text, which the page's policy forbids.
func (p *tab) expect(t *testing.T, expression string, want any) {
	t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
	script := fmt.Sprintf(`new Promise((done) => {
		const end = performance.now() + 20000;
		const look = () => {
			if (JSON.stringify(%s) === %s) done(true);
			else if (performance.now() > end) done(false);
			else requestAnimationFrame(look);
		};
		look();
	})`, expression, strconv.Quote(wanted))
	is, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if !is {
		t.Errorf("%s\n got %s\nwant %s", expression, p.look(t, expression), wanted)
	}
}

// screenshot is for people to look at, where USHER_SCREENSHOTS names a directory.
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
