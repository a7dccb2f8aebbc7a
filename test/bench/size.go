package main

import (
	"fmt"
	"slices"
	"strings"
)

// size is the size of the world and the number of measurements.
type size struct {
	Name         string `json:"name"`
	Users        int    `json:"users"`
	Groups       int    `json:"groups"`
	Applications int    `json:"applications"`
	// Waves are the numbers of members of the groups that are deleted as a whole. The last one is also the group whose
	// role changes.
	Waves []int `json:"waves"`
}

// workers is the number of concurrent writes, the same as in the manager.
const workers = 8

var sizes = []size{
	{Name: "S", Users: 1_000, Groups: 100, Applications: 20, Waves: []int{50, 500}},
	{Name: "M", Users: 10_000, Groups: 1_000, Applications: 100, Waves: []int{50, 500, 5_000}},
	{Name: "L", Users: 50_000, Groups: 5_000, Applications: 200, Waves: []int{50, 500, 5_000}},
}

func sizeNamed(name string) (size, error) {
	var names []string
	for _, s := range sizes {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return size{}, fmt.Errorf("there is no size %q: take one of %s", name, strings.Join(names, ", "))
}

// largest returns the number of members of the largest group.
func (s size) largest() int { return slices.Max(s.Waves) }

func (s size) String() string {
	return fmt.Sprintf("%s: %d users, %d groups, %d applications", s.Name, s.Users, s.Groups, s.Applications)
}
