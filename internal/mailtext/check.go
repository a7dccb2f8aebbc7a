package mailtext

import (
	"errors"
	"fmt"
	"text/template/parse"
)

// check returns an error if executing the template on the view could take too long. A template may range over the lists of
// a notice, nested at most two deep, and may call functions that compare and count, but no other template. Nothing can stop
// a template that is being executed and writes nothing, so its work is counted before.
func check(tree *parse.Tree, v *View) error {
	if tree == nil || tree.Root == nil {
		return nil
	}
	if err := checkNodes(tree.Root, 0); err != nil {
		return err
	}
	if work(tree.Root, v) > mostWork {
		return fmt.Errorf("it goes over lists in lists too often for this notice (%d lines): "+
			"use fewer range actions within range actions", len(v.Changed)+len(v.Ending)+len(v.Standing)+len(v.Reviews))
	}
	return nil
}

// mostWork bounds the work of a template, to a fraction of a second.
const mostWork = 4 << 20

// costOfNode is the work of a node in addition to its text.
const costOfNode = 16

// work returns an upper bound for the work of executing the nodes: the bytes of their text, as often as they are executed,
// with both branches of every condition.
func work(list *parse.ListNode, v *View) int64 {
	if list == nil {
		return 0
	}
	var total int64
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.IfNode:
			total += costOfNode + int64(len(n.Pipe.String())) + work(n.List, v) + work(n.ElseList, v)
		case *parse.WithNode:
			total += costOfNode + int64(len(n.Pipe.String())) + work(n.List, v) + work(n.ElseList, v)
		case *parse.RangeNode:
			total += costOfNode + int64(len(n.Pipe.String())) + work(n.ElseList, v)
			total += int64(lengthOf(listName(n.Pipe), v)) * (costOfNode + work(n.List, v))
		default:
			total += costOfNode + int64(len(node.String()))
		}
	}
	return total
}

func lengthOf(list string, v *View) int {
	switch list {
	case "Changed":
		return len(v.Changed)
	case "Ending":
		return len(v.Ending)
	case "Standing":
		return len(v.Standing)
	case "Reviews":
		return len(v.Reviews)
	case "Messages":
		return len(v.Messages)
	case "Groups":
		return len(v.Groups)
	default:
		return -1
	}
}

const deepestRange = 2

var allowedFunctions = map[string]bool{
	"and": true, "or": true, "not": true, "len": true, "index": true,
	"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
}

func checkNodes(list *parse.ListNode, depth int) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := checkNode(node, depth); err != nil {
			return err
		}
	}
	return nil
}

func checkNode(node parse.Node, depth int) error {
	switch n := node.(type) {
	case *parse.ActionNode:
		return checkPipe(n.Pipe)
	case *parse.IfNode:
		return checkBranches(&n.BranchNode, depth)
	case *parse.WithNode:
		return checkBranches(&n.BranchNode, depth)
	case *parse.RangeNode:
		if depth == deepestRange {
			return fmt.Errorf("line %d: at most %d lists within each other", n.Line, deepestRange)
		}
		if lengthOf(listName(n.Pipe), &View{}) < 0 {
			return fmt.Errorf("line %d: range goes over a list of the notice, such as .Changed, and nothing else", n.Line)
		}
		return checkBranches(&n.BranchNode, depth+1)
	case *parse.TemplateNode:
		return fmt.Errorf("line %d: a template may not call another one", n.Line)
	default:
		return nil
	}
}

func checkBranches(b *parse.BranchNode, depth int) error {
	return errors.Join(checkPipe(b.Pipe), checkNodes(b.List, depth), checkNodes(b.ElseList, depth))
}

func checkPipe(pipe *parse.PipeNode) error {
	if pipe == nil {
		return nil
	}
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			var err error
			switch a := arg.(type) {
			case *parse.PipeNode:
				err = checkPipe(a)
			case *parse.ChainNode:
				inner, ok := a.Node.(*parse.PipeNode)
				if !ok {
					return fmt.Errorf("line %d: a field must belong to the notice, a variable or an expression in parentheses", pipe.Line)
				}
				err = checkPipe(inner)
			case *parse.IdentifierNode:
				if !allowedFunctions[a.Ident] {
					err = fmt.Errorf("line %d: function %s is not among and, or, not, len, index, eq, ne, lt, le, gt, ge", pipe.Line, a.Ident)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// listName returns the name of the list if the pipe is only a list. It is empty if the pipe could be something else,
// such as a number.
func listName(pipe *parse.PipeNode) string {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return ""
	}
	var path []string
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		path = n.Ident
	case *parse.VariableNode:
		path = n.Ident[1:]
	}
	if len(path) == 0 {
		return ""
	}
	return path[len(path)-1]
}
