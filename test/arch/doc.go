// Package arch holds the repository to its own rules: who may import whom, which packages stay pure, that what is exported
// is explained, that files stay short and the largest rooms name them, and that what the README tells people to type works.
package arch
