//! A real OctoPrint.
