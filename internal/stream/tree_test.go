package stream

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTree does the same to trees and to a sorted slice, and keeps old trees to see that they never change.
func TestTree(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var (
			root *tree[int]
			want []int
			old  []*tree[int]
			was  [][]int
		)
		rank := func(x int) uint64 { return uint64(x) * 0x9e3779b97f4a7c15 >> 58 } // of few bits, so that many are equal
		for step := range 2000 {
			x := rng.IntN(100)
			i, there := slices.BinarySearch(want, x)
			if got, ok := root.get(x, cmp.Compare[int]); ok != there || ok && got != x {
				t.Fatalf("seed %d, step %d: got %d, %v; want it there: %v", seed, step, got, ok, there)
			}
			if rng.IntN(2) == 0 {
				root = root.with(x, rank(x), cmp.Compare[int])
				if !there {
					want = slices.Insert(slices.Clone(want), i, x)
				}
			} else {
				root = root.without(x, cmp.Compare[int])
				if there {
					want = slices.Delete(slices.Clone(want), i, i+1)
				}
			}
			if got := items(root); !slices.Equal(got, want) {
				t.Fatalf("seed %d, step %d: %v, want %v", seed, step, got, want)
			}
			heaped(t, root)
			if step%50 == 0 {
				old, was = append(old, root), append(was, want)
			}
		}
		for i := range old {
			if got := items(old[i]); !slices.Equal(got, was[i]) {
				t.Errorf("seed %d: an old tree says %v, it said %v", seed, got, was[i])
			}
		}
	}
	first := 0
	new(tree[int]).with(1, 1, cmp.Compare[int]).all(func(int) bool { first++; return false })
	if first != 1 {
		t.Errorf("%d items after the first was refused", first)
	}
}

func items(root *tree[int]) (list []int) {
	root.all(func(x int) bool { list = append(list, x); return true })
	return list
}

func heaped(t *testing.T, n *tree[int]) {
	t.Helper()
	if n == nil {
		return
	}
	for _, below := range []*tree[int]{n.left, n.right} {
		if below != nil && below.rank > n.rank {
			t.Fatalf("%d of rank %d is below %d of rank %d", below.item, below.rank, n.item, n.rank)
		}
		heaped(t, below)
	}
}
