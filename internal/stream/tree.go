package stream

// A tree is a persistent ordered set: with and without return another tree that shares all but the nodes on the way to one
// item, so that a reader's picture stays as it is, and a change among ten thousand copies about a dozen nodes. It is a treap
// (Seidel and Aragon, Randomized Search Trees, 1996). The nil tree is empty.
//
// compare orders the items and must be the same for all calls on a tree; rank must be as good as random, and always the
// same for an item.
type tree[T any] struct {
	item        T
	rank        uint64 // Invariant: no greater below
	left, right *tree[T]
}

// get finds the item that compares equal to x.
func (t *tree[T]) get(x T, compare func(a, b T) int) (item T, ok bool) {
	for t != nil {
		switch c := compare(x, t.item); {
		case c < 0:
			t = t.left
		case c > 0:
			t = t.right
		default:
			return t.item, true
		}
	}
	return item, false
}

// with adds an item, in the place of the one that compares equal.
func (t *tree[T]) with(x T, rank uint64, compare func(a, b T) int) *tree[T] {
	if t == nil {
		return &tree[T]{x, rank, nil, nil}
	}
	c := compare(x, t.item)
	if c != 0 && rank > t.rank {
		below, above := t.split(x, compare)
		return &tree[T]{x, rank, below, above}
	}
	n := *t
	switch {
	case c < 0:
		n.left = t.left.with(x, rank, compare)
	case c > 0:
		n.right = t.right.with(x, rank, compare)
	default:
		n.item = x
	}
	return &n
}

// without removes the item that compares equal to x.
func (t *tree[T]) without(x T, compare func(a, b T) int) *tree[T] {
	if t == nil {
		return nil
	}
	n := *t
	switch c := compare(x, t.item); {
	case c < 0:
		n.left = t.left.without(x, compare)
	case c > 0:
		n.right = t.right.without(x, compare)
	default:
		return t.left.join(t.right)
	}
	return &n
}

// split parts a tree that does not have x at x.
func (t *tree[T]) split(x T, compare func(a, b T) int) (below, above *tree[T]) {
	if t == nil {
		return nil, nil
	}
	n := *t
	if compare(x, t.item) < 0 {
		below, n.left = t.left.split(x, compare)
		return below, &n
	}
	n.right, above = t.right.split(x, compare)
	return &n, above
}

// join puts a tree before another of which every item comes later.
func (t *tree[T]) join(after *tree[T]) *tree[T] {
	if t == nil {
		return after
	}
	if after == nil {
		return t
	}
	if t.rank >= after.rank {
		n := *t
		n.right = t.right.join(after)
		return &n
	}
	n := *after
	n.left = t.join(after.left)
	return &n
}

// all shows the items in their order until yield answers false.
func (t *tree[T]) all(yield func(T) bool) bool {
	return t == nil || t.left.all(yield) && yield(t.item) && t.right.all(yield)
}
