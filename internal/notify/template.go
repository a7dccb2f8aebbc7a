package notify

import (
	"errors"
	"fmt"
	"text/template/parse"
)

// checkTemplate holds a template that somebody wrote to what ends soon: it goes over the lists of a notice, one in another
// at most, calls no other template, and of functions only those that compare and count.
func checkTemplate(tree *parse.Tree) error {
	if tree == nil || tree.Root == nil {
		return nil
	}
	return checkNodes(tree.Root, 0)
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
		if !overList(n.Pipe) {
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
				if inner, is := a.Node.(*parse.PipeNode); is {
					err = checkPipe(inner)
				}
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

// overList says whether the pipe is the name of a list and nothing that could be a number.
func overList(pipe *parse.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	var path []string
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		path = n.Ident
	case *parse.VariableNode:
		path = n.Ident[1:]
	}
	if len(path) == 0 {
		return false
	}
	switch path[len(path)-1] {
	case "Changed", "Ending", "Standing", "Messages", "Groups":
		return true
	default:
		return false
	}
}
