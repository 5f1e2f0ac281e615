// Package bench has no code of its own. Its folders are three rooms:
//
//   - data says which cells there are, reads and writes the files of results, and
//     compares them. It imports neither of the other rooms.
//   - measure runs the cells and returns their results.
//   - show prints results and draws them. It does not import measure.
//
// A mode is a question that cells answer, such as the cost of one message. Each
// mode is a value in a file of its own in data/cells, and one line of the table in
// data/cells/mode.go.
//
// The folder peers is a module of its own: it measures other projects.
package bench
