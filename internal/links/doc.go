// Package links holds the test that what the documentation links to is there.
package links
