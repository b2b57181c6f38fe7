// AWS's own client for Go, which drives our double as a client that no one here wrote; pinned here and in go.sum, built by ./build.
// Another version: `go get github.com/aws/aws-sdk-go-v2/service/kms@vX`, then `go mod tidy`.
module keyward.dev/aws-go-sdk

go 1.26.0

require (
	github.com/aws/aws-sdk-go-v2 v1.48.0
	github.com/aws/aws-sdk-go-v2/credentials v1.21.0
	github.com/aws/aws-sdk-go-v2/service/kms v1.62.6
	github.com/aws/smithy-go v1.28.9
)

require (
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.5.12 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.8.12 // indirect
)
