package browser_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// console is a running console over a copy of the samples.
type console struct {
	base, directory string
	browser         context.Context
}

var consoleAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+/[\w-]+/\?token=[\w-]+`)

// startConsole starts the command over a copy of the directory, and opens the address that it prints.
func startConsole(t *testing.T, browser context.Context, access plugin, directory string) *console {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(directory)); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(string(access), "ui", "-f", copied, "-R")
	var errOut bytes.Buffer
	command.Stderr = &errOut
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("the console: %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address := consoleAddress.FindString(lines.Text()); address != "" {
			base, _, _ := strings.Cut(address, "?")
			c := &console{base: base, directory: copied, browser: browser}
			openTab(t, browser, address, desktop).expect(t, `document.querySelector("h1").textContent`, "Groups of analytics")
			return c
		}
	}
	t.Fatalf("the command prints no address: %s", errOut.String())
	return nil
}

func (c *console) open(t *testing.T, path string, on device) *tab {
	t.Helper()
	return openTab(t, c.browser, c.base+path, on)
}

// file returns the content of a file of the console.
func (c *console) file(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// dark shows the pages of the tab in the dark scheme.
func (p *tab) dark(t *testing.T) {
	t.Helper()
	p.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	}))
}

const heading = `document.querySelector("h1").textContent`

// seen are the texts of the visible elements that a selector finds.
func seen(selector string) string {
	return `Array.from(document.querySelectorAll("` + selector + `")).filter((e) => e.checkVisibility()).map((e) => e.textContent.trim())`
}

// broken are short words of tables that begin in one line and end in another.
const broken = `Array.from(document.querySelectorAll("td, tbody th")).flatMap((cell) => {
	const words = [], walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
	while (walk.nextNode()) {
		for (const word of walk.currentNode.data.matchAll(/[A-Za-z]+/g)) {
			range.setStart(walk.currentNode, word.index);
			range.setEnd(walk.currentNode, word.index + word[0].length);
			const tops = Array.from(range.getClientRects(), (line) => line.top);
			if (word[0].length <= 16 && tops.some((top) => top !== tops[0])) words.push(word[0]);
		}
	}
	return words;
})`

// press clicks the button or the link with the text.
func (p *tab) press(t *testing.T, text string) {
	t.Helper()
	p.do(t, chromedp.Click(chromedp.Search(`//main//*[self::button or self::a][normalize-space()="`+text+`"]`)))
}

// fill replaces the value of a field.
func (p *tab) fill(t *testing.T, name, value string) {
	t.Helper()
	p.look(t, `(() => { document.getElementsByName("`+name+`")[0].value = ""; return true; })()`)
	p.do(t, chromedp.SendKeys(chromedp.CSS(`[name="`+name+`"]`), value))
}

// choose chooses an option.
func (p *tab) choose(t *testing.T, name, value string) {
	t.Helper()
	p.expect(t, `(() => { const f = document.getElementsByName("`+name+`")[0]; f.value = "`+value+`"; return f.value; })()`, value)
}

// consolePages are pages of the console over the samples.
var consolePages = map[string]string{
	"groups": "o/analytics/groups", "group": "o/analytics/groups/france", "users": "o/analytics/users",
	"user": "user?name=amelie@acme.example", "applications": "o/analytics/applications",
	"application": "o/analytics/applications/finance", "matrix": "o/analytics/matrix", "policy": "o/analytics/policy",
	"system": "system", "system-group": "o/access-system/groups/incident-response", "reviews": "reviews?within=365",
	"changes": "changes", "bulk": "bulk?do=set-role&group=analytics/france&group=analytics/germany", "problem": "o/nowhere/groups",
}

var (
	narrow = device{width: 320, height: 640, mobile: true}
	sizes  = map[string]device{"narrow": narrow, "phone": phone, "desktop": desktop}
)

func TestConsole(t *testing.T) {
	browser := startBrowser(t)
	access := buildPlugin(t)
	c := startConsole(t, browser, access, "../../config/samples")
	rules := findAxe(t)
	for name, path := range consolePages {
		for size, on := range sizes {
			t.Run(name+" on "+size, func(t *testing.T) { testConsolePage(t, c, rules, name+"-"+size, path, on) })
		}
	}
	t.Run("create a group", func(t *testing.T) {
		testCreateGroup(t, startConsole(t, browser, access, "../../config/samples"), rules)
	})
	t.Run("create a group by keyboard", func(t *testing.T) {
		testKeyboard(t, startConsole(t, browser, access, "../../config/samples"))
	})
	t.Run("remove a leaver by keyboard", func(t *testing.T) {
		testLeaver(t, startConsole(t, browser, access, "../../config/samples"))
	})
	t.Run("edit several groups", func(t *testing.T) {
		testSelection(t, startConsole(t, browser, access, "../../config/samples"), rules)
	})
	t.Run("without script", func(t *testing.T) {
		testConsoleWithoutScript(t, startConsole(t, browser, access, "../../config/samples"))
	})
	t.Run("changes by others", func(t *testing.T) {
		testLive(t, startConsole(t, browser, access, "../../config/samples"))
	})
}

func testConsolePage(t *testing.T, c *console, rules, name, path string, on device) {
	p := c.open(t, path, on)
	p.expect(t, pageWidth, on.width)
	p.expect(t, tooWide, []string{})
	if on == desktop { // on small screens, names may break
		p.expect(t, broken, []string{})
	}
	p.screenshot(t, "console-"+name)
	if !strings.HasPrefix(name, "problem") { // the browser reports the status 404
		p.silent(t)
	}
	p.accessible(t, rules)
	p.dark(t)
	p.accessible(t, rules)
	p.screenshot(t, "console-"+name+"-dark")
}

// testCreateGroup creates a group in three steps with the mouse: members, privileges for two applications, and a
// notification.
func testCreateGroup(t *testing.T, c *console, rules string) {
	p := c.open(t, "o/analytics/groups", desktop)
	p.press(t, "New group")
	p.expect(t, heading, "New group in analytics")
	p.fill(t, "name", "spain")
	p.fill(t, "displayName", "Spain")
	p.do(t, chromedp.SendKeys(chromedp.CSS(`[aria-label^="Users: add"]`), "amel"))
	p.expect(t, `document.querySelector("datalist option")?.value`, "amelie@acme.example")
	p.keys(t, "ie@acme.example"+kb.Enter+"eva@acme.example"+kb.Enter)
	p.expect(t, `document.getElementsByName("add")[0].value`, "amelie@acme.example\neva@acme.example")
	p.accessible(t, rules)
	p.screenshot(t, "console-new-general")
	p.press(t, "Next: Privileges")
	p.expect(t, `document.querySelector("[aria-current=step]").textContent`, "Privileges")
	p.fill(t, "grant.0.application", "finance")
	p.press(t, "Next: Notification")
	p.expect(t, seen(".error"), []string{"choose a role, or empty the application to remove the row"})
	p.accessible(t, rules)
	p.screenshot(t, "console-new-error")
	p.choose(t, "grant.0.role", "Viewer")
	p.fill(t, "grant.1.application", "sales")
	p.choose(t, "grant.1.role", "Editor")
	p.fill(t, "rows.0.application", "sales")
	p.fill(t, "rows.0.rows", "country = Spain")
	p.screenshot(t, "console-new-privileges")
	p.press(t, "Next: Notification")
	p.expect(t, `document.querySelector("[aria-current=step]").textContent`, "Notification")
	p.choose(t, "mode", "OnChange")
	p.accessible(t, rules)
	p.screenshot(t, "console-new-notification")
	p.press(t, "Next: Check and confirm")
	p.expect(t, seen("#effects tbody th"), []string{"amelie@acme.example", "eva@acme.example", "eva@acme.example"})
	p.accessible(t, rules)
	p.screenshot(t, "console-review")
	p.dark(t)
	p.accessible(t, rules)
	p.screenshot(t, "console-review-dark")
	p.press(t, "Write the files")
	p.expect(t, seen("#outcomes tbody td:nth-child(2)"), []string{"applied"})
	p.accessible(t, rules)
	for _, complaint := range p.complaints() {
		if !strings.Contains(complaint, "422") { // the step that was sent with an error
			t.Errorf("the browser complains: %s", complaint)
		}
	}
	if got := c.file(t, "accessgroup-analytics-spain.yaml"); !strings.Contains(got, "user: eva@acme.example") {
		t.Errorf("the file:\n%s", got)
	}
}

// reach presses Tab until the element with the name has the focus. The label of a required field says so in parentheses.
func (p *tab) reach(t *testing.T, text string) {
	t.Helper()
	const most = 200
	for range most {
		got := p.look(t, `(() => { const e = document.activeElement; return (e.labels?.[0]?.textContent ?? e.getAttribute("aria-label") ?? e.textContent).trim(); })()`)
		var name string
		if err := json.Unmarshal([]byte(got), &name); err == nil && (name == text || strings.HasPrefix(name, text+" (")) {
			return
		}
		p.keys(t, kb.Tab)
	}
	t.Fatalf("%q is not reached by the Tab key", text)
}

// keys presses keys as a keyboard does: a key that the page handles itself enters no character.
func (p *tab) keys(t *testing.T, keys string) {
	t.Helper()
	p.do(t, chromedp.KeyEvent(keys, func(event *input.DispatchKeyEventParams) {
		if event.Type == kb.KeyDown {
			event.Type = kb.KeyRawDown // after a keyDown, the browser enters the character in any case
		}
	}))
}

// testKeyboard creates a group without a mouse.
func testKeyboard(t *testing.T, c *console) {
	p := c.open(t, "o/analytics/groups", desktop)
	p.reach(t, "Skip to content")
	p.keys(t, kb.Enter)
	p.reach(t, "New group")
	p.keys(t, kb.Enter)
	p.expect(t, heading, "New group in analytics")
	p.reach(t, "Name")
	p.keys(t, "italy")
	p.reach(t, "Users: add one")
	p.keys(t, "eva@acme.example"+kb.Enter)
	p.reach(t, "Next: Privileges")
	p.keys(t, kb.Enter)
	p.expect(t, `document.querySelector("[aria-current=step]").textContent`, "Privileges")
	p.reach(t, "Application")
	p.keys(t, "finance")
	p.reach(t, "Role")
	p.keys(t, "Viewer")
	p.reach(t, "Next: Notification")
	p.keys(t, kb.Enter)
	p.expect(t, `document.querySelector("[aria-current=step]").textContent`, "Notification")
	p.reach(t, "Next: Check and confirm")
	p.keys(t, kb.Enter)
	p.expect(t, seen("#effects tbody th"), []string{"eva@acme.example"})
	p.reach(t, "Write the files")
	p.keys(t, kb.Enter)
	p.expect(t, seen("#outcomes tbody td:nth-child(2)"), []string{"applied"})
	p.silent(t)
}

// testLeaver removes a user from all groups without a mouse: search, next row, open, remove, confirm.
func testLeaver(t *testing.T, c *console) {
	p := c.open(t, "o/analytics/users", desktop)
	p.keys(t, "/")
	p.keys(t, "amelie"+kb.Enter)
	p.expect(t, seen("tbody th a"), []string{"amelie@acme.example"})
	p.keys(t, "j")
	p.keys(t, kb.Enter)
	p.expect(t, heading, "amelie@acme.example")
	p.reach(t, "Remove from all groups")
	p.keys(t, kb.Enter)
	p.expect(t, heading, "Remove amelie@acme.example from all groups")
	p.reach(t, "Write the files")
	p.keys(t, kb.Enter)
	p.expect(t, seen("#outcomes tbody td:nth-child(2)"), []string{"applied", "applied"})
	p.silent(t)
}

// testSelection selects groups, changes a role in all of them, and undoes it.
func testSelection(t *testing.T, c *console, rules string) {
	p := c.open(t, "o/analytics/groups", desktop)
	p.do(t, chromedp.Click(chromedp.CSS(`tr[data-key="analytics/france"] input`)), chromedp.Click(chromedp.CSS(`tr[data-key="analytics/germany"] input`)))
	p.expect(t, seen(".selected"), []string{"2 selected:"})
	p.screenshot(t, "console-selected")
	p.press(t, "Set role")
	p.expect(t, `document.getElementsByName("group")[0].value`, "analytics/france\nanalytics/germany")
	p.fill(t, "application", "sales")
	p.choose(t, "role", "Administrator")
	p.press(t, "Next: Check and confirm")
	p.expect(t, `document.querySelectorAll("#objects tbody tr").length`, 2)
	p.accessible(t, rules)
	p.press(t, "Write the files")
	p.expect(t, seen("#outcomes tbody td:nth-child(2)"), []string{"applied", "applied"})
	p.press(t, "Undo")
	p.expect(t, heading, "Undo: Set role: 2 groups")
	p.press(t, "Write the files")
	p.expect(t, seen("#outcomes tbody td:nth-child(2)"), []string{"applied", "applied"})
	p.press(t, "All changes")
	p.expect(t, seen("tbody th a"), []string{"Undo: Set role: 2 groups", "Set role: 2 groups"})
	p.screenshot(t, "console-changes")
	p.silent(t)
}

// testConsoleWithoutScript adds a member with whole pages only.
func testConsoleWithoutScript(t *testing.T, c *console) {
	on := desktop
	on.withoutScript = true
	p := c.open(t, "bulk?do=add&group=analytics/france", on)
	p.do(t, chromedp.SendKeys(chromedp.CSS(`[name="user"]`), "eva@acme.example"))
	p.press(t, "Next: Check and confirm")
	p.expect(t, seen("#effects tbody th"), []string{"eva@acme.example", "eva@acme.example"})
	p.press(t, "Write the files")
	p.expect(t, seen("#outcomes tbody td:nth-child(2)"), []string{"applied"})
	p.silent(t)
}

// testLive changes a file while the page is shown.
func testLive(t *testing.T, c *console) {
	p := c.open(t, "o/analytics/groups", desktop)
	p.expect(t, seen(`tr[data-key='analytics/germany'] td:nth-child(3)`), []string{"2"})
	name := filepath.Join(c.directory, "analytics", "groups.yaml")
	changed := strings.Replace(c.file(t, "analytics/groups.yaml"), "  - user: clara@acme.example\n", "  - user: clara@acme.example\n  - user: eva@acme.example\n", 1)
	if err := os.WriteFile(name, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	p.expect(t, seen(`tr[data-key='analytics/germany'] td:nth-child(3)`), []string{"3"})
	if err := os.WriteFile(name, []byte(strings.Replace(changed, "name: germany", "name: deutschland", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.expect(t, seen("#live button"), []string{"Show"})
	p.expect(t, seen(`tr[data-key='analytics/germany'] th a`), []string{"Germany"})
	p.do(t, chromedp.Click(chromedp.CSS("#live button")))
	p.expect(t, seen(`tr[data-key='analytics/deutschland'] th a`), []string{"Germany"})
	p.silent(t)
}
