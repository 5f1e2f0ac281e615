package wit

// Cases of variants and enums that the host names.
const (
	StreamClosed         = 1 // of stream-error
	SocketAccessDenied   = 1 // of the error-code of wasi:sockets
	HeaderInvalidSyntax  = 0 // of header-error
	HeaderForbidden      = 1
	HeaderImmutable      = 2
	HTTPRequestDenied    = 15 // of the error-code of wasi:http
	HTTPRequestBodySize  = 17
	HTTPResponseBodySize = 28
	MethodGet            = 0 // of method
	MethodOther          = 9
	SchemeOther          = 2 // of scheme
)
