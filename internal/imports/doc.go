// Package imports holds the test of the rule which package may import which.
package imports
