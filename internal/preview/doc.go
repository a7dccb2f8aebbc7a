// Package preview computes what a change to one object would bring, before it is made. A preview reads one view of the roster
// and lays the object over a layer of its own. So any number of previews run at the same time, none has an effect on what
// others see, and none delays a settling.
package preview
