package wit

// Cases of variants and enums that the host names.
const (
	StreamFailed        = 0 // of stream-error: last-operation-failed
	StreamClosed        = 1
	SocketAccessDenied  = 1 // of the error-code of wasi:sockets
	HeaderInvalidSyntax = 0 // of header-error
	HeaderForbidden     = 1
	HeaderImmutable     = 2
	MethodGet           = 0 // of method
	MethodOther         = 9
	SchemeHTTP          = 0 // of scheme
	SchemeHTTPS         = 1
	SchemeOther         = 2
)

// Methods are the cases of method but for other, as HTTP names them.
var Methods = [MethodOther]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
