"""Identities of matrix calculus as data: facts of the tables that courses use, written before any code derives them.

A row is ``formula | by | form | textbook | declarations``. The form says how the textbook lays its answer out:
``gradient`` (a number's derivative in the shape of its input), ``row`` and ``column`` (numerator layout, outputs ×
inputs, with that vec order), ``denominator`` (the transpose of ``row``). Lower-case names are columns, upper-case ones
matrices, unless declared.
"""

from __future__ import annotations

from dataclasses import dataclass

LINEAR_AND_QUADRATIC = """
a'*x | x | gradient | a |
x'*a | x | gradient | a |
x'*x | x | gradient | 2*x |
x'*A*x | x | gradient | (A + A')*x |
x'*S*x | x | gradient | 2*S*x | S symmetric
x'*A*y | x | gradient | A*y |
x'*A*y | y | gradient | A'*x |
x'*A*y | A | gradient | x*y' |
x'*A*x | A | gradient | x*x' |
x'*A'*y | A | gradient | y*x' |
b'*A*x + c | x | gradient | A'*b | c scalar
x'*A*x + b'*x | x | gradient | (A + A')*x + b |
(A*x)'*(B*x) | x | gradient | (A'*B + B'*A)*x |
(A*x+b)'*(D*x+e) | x | gradient | A'*(D*x+e) + D'*(A*x+b) |
(A*x+b)'*C*(D*x+e) | x | gradient | A'*C*(D*x+e) + D'*C'*(A*x+b) |
(x-s)'*W*(x-s) | x | gradient | 2*W*(x-s) | W symmetric
(x-s)'*W*(x-s) | s | gradient | -2*W*(x-s) | W symmetric
(x-A*s)'*W*(x-A*s) | s | gradient | -2*A'*W*(x-A*s) | W symmetric
(x-A*s)'*W*(x-A*s) | x | gradient | 2*W*(x-A*s) | W symmetric
(x-A*s)'*W*(x-A*s) | A | gradient | -2*W*(x-A*s)*s' | W symmetric
x'*x*(a'*x) | x | gradient | 2*(a'*x)*x + (x'*x)*a |
(a'*x)*(b'*x) | x | gradient | (a*b' + b*a')*x |
(a'*x)^2 | x | gradient | 2*(a'*x)*a |
(x'*A*x)^2 | x | gradient | 2*(x'*A*x)*(A + A')*x |
(x'*A*x)/(x'*x) | x | gradient | (A + A')*x/(x'*x) - 2*(x'*A*x)*x/(x'*x)^2 |
a'*x*x'*b | x | gradient | (a*b' + b*a')*x |
x'*B'*B*x | x | gradient | 2*B'*B*x |
1/(a'*x) | x | gradient | -a/(a'*x)^2 |
x'*A*x*(x'*B*x) | x | gradient | (x'*B*x)*(A + A')*x + (x'*A*x)*(B + B')*x |
sum(x) | x | gradient | ones(n) | x n
mean(x) | x | gradient | ones(n)/n | x n
sum(A*x) | x | gradient | A'*ones(m) | A m×n
sum(x.*y) | x | gradient | y |
sum(x.^2) | x | gradient | 2*x |
sum(x.^3) | x | gradient | 3*x.^2 |
a'*X*b | X | gradient | a*b' |
a'*X'*b | X | gradient | b*a' |
a'*X*a | X | gradient | a*a' |
b'*X'*X*c | X | gradient | X*(b*c' + c*b') |
b'*X*X'*c | X | gradient | (b*c' + c*b')*X |
(X*b+c)'*D*(X*b+c) | X | gradient | (D + D')*(X*b+c)*b' |
b'*X'*D*X*c | X | gradient | D'*X*b*c' + D*X*c*b' |
a'*X*X*b | X | gradient | a*b'*X' + X'*a*b' |
"""

TRACES = """
tr(X) | X | gradient | eye(n) | X n×n
tr(A*X) | X | gradient | A' |
tr(X*A) | X | gradient | A' |
tr(A*X') | X | gradient | A |
tr(X'*A) | X | gradient | A |
tr(A*X*B) | X | gradient | A'*B' |
tr(A*X'*B) | X | gradient | B*A |
tr(X*X) | X | gradient | 2*X' |
tr(X'*X) | X | gradient | 2*X |
tr(X*X') | X | gradient | 2*X |
tr(X^2*B) | X | gradient | (X*B + B*X)' |
tr(X'*B*X) | X | gradient | (B + B')*X |
tr(B*X*X') | X | gradient | (B + B')*X |
tr(X*X'*B) | X | gradient | (B + B')*X |
tr(X*B*X') | X | gradient | X*(B + B') |
tr(B*X'*X) | X | gradient | X*(B + B') |
tr(A*X*B*X) | X | gradient | A'*X'*B' + B'*X'*A' |
tr(A*X*B*X') | X | gradient | A'*X*B' + A*X*B |
tr(A*X*B*X'*C) | X | gradient | A'*C'*X*B' + C*A*X*B |
tr(B'*X'*C*X*B) | X | gradient | (C' + C)*X*B*B' |
tr(X'*B*X*C) | X | gradient | B*X*C + B'*X*C' |
tr((A*X*B+C)*(A*X*B+C)') | X | gradient | 2*A'*(A*X*B+C)*B' |
tr(X^3) | X | gradient | 3*(X')^2 |
tr(X^4) | X | gradient | 4*(X')^3 |
tr(A*X^3) | X | gradient | (X*X*A + X*A*X + A*X*X)' |
tr(A*X^2) | X | gradient | (X*A + A*X)' |
tr(A*X*X) | X | gradient | (X*A + A*X)' |
tr(kron(X, X)) | X | gradient | 2*tr(X)*eye(n) | X n×n
tr(X)^2 | X | gradient | 2*tr(X)*eye(n) | X n×n
tr(A*X)*tr(B*X) | X | gradient | tr(B*X)*A' + tr(A*X)*B' |
tr(A*inv(X)) | X | gradient | -inv(X)'*A'*inv(X)' |
tr(A*inv(X)*B) | X | gradient | -(inv(X)*B*A*inv(X))' |
tr(inv(X)) | X | gradient | -(inv(X)*inv(X))' |
tr(inv(X+A)) | X | gradient | -(inv(X+A)*inv(X+A))' |
tr(inv(X'*C*X)*A) | X | gradient | -C*X*inv(X'*C*X)*(A + A')*inv(X'*C*X) | C symmetric
tr(inv(X'*C*X)*(X'*B*X)) | X | gradient | 2*(B*X - C*X*inv(X'*C*X)*X'*B*X)*inv(X'*C*X) | B symmetric; C symmetric
tr(A'*(B.*X)) | X | gradient | A.*B |
tr((X.*X)'*A) | X | gradient | 2*A.*X |
tr(exp(X)) | X | gradient | diag(exp(diag(X))) | X n×n
tr(A*diag(x)) | x | gradient | diag(A) |
tr(diag(x)*A*diag(x)*B) | x | gradient | (A.*B' + A'.*B)*x |
tr((X-Y)'*(X-Y)) | X | gradient | 2*(X-Y) |
tr(A*X) + tr(B*X') | X | gradient | A' + B |
"""

DETERMINANTS_AND_INVERSES = """
det(X) | X | gradient | det(X)*inv(X)' |
det(A*X*B) | X | gradient | det(A*X*B)*inv(X)' | A n×n; X n×n; B n×n
det(X'*A*X) | X | gradient | 2*det(X'*A*X)*inv(X)' | X n×n; A n×n
det(X'*S*X) | X | gradient | 2*det(X'*S*X)*S*X*inv(X'*S*X) | S symmetric positive definite m×m; X m×n
det(X^2) | X | gradient | 2*det(X)^2*inv(X)' |
det(X)^2 | X | gradient | 2*det(X)^2*inv(X)' |
det(X+A) | X | gradient | det(X+A)*inv(X+A)' |
1/det(X) | X | gradient | -inv(X)'/det(X) |
logdet(X) | X | gradient | inv(X)' |
log(det(X)) | X | gradient | inv(X)' | X positive definite
logdet(X) | X | gradient | inv(X) | X symmetric positive definite
logdet(X'*X) | X | gradient | 2*X*inv(X'*X) | X m×n
logdet(X*X') | X | gradient | 2*inv(X*X')*X | X n×m
logdet(X'*S*X) | X | gradient | 2*S*X*inv(X'*S*X) | S symmetric positive definite m×m; X m×n
logdet(A*X*B) | X | gradient | inv(X)' | A n×n; X n×n; B n×n
logdet(A+X) | X | gradient | inv(A+X)' |
logdet(inv(X)) | X | gradient | -inv(X)' |
logdet(eye(n) + X'*X) | X | gradient | 2*X*inv(eye(n) + X'*X) | X m×n
logdet(A + x*x') | x | gradient | (inv(A + x*x') + inv(A + x*x')')*x |
a'*inv(X)*b | X | gradient | -inv(X)'*a*b'*inv(X)' |
a'*inv(S)*a | a | gradient | 2*inv(S)*a | S symmetric
x'*inv(A)*x | x | gradient | (inv(A) + inv(A)')*x |
x'*inv(S)*x | S | gradient | -inv(S)*x*x'*inv(S) | S symmetric
-logdet(S)/2 - (x-m)'*inv(S)*(x-m)/2 | S | gradient | -inv(S)/2 + inv(S)*(x-m)*(x-m)'*inv(S)/2 | S spd
-logdet(S)/2 - (x-m)'*inv(S)*(x-m)/2 | m | gradient | inv(S)*(x-m) | S symmetric positive definite
logdet(P) - tr(C*P) | P | gradient | inv(P) - C | P symmetric positive definite; C symmetric
inv(X) | X | row | -kron(inv(X), inv(X)') |
inv(X) | X | column | -kron(inv(X)', inv(X)) |
A*inv(X)*B | X | column | -kron((inv(X)*B)', A*inv(X)) |
inv(A)*b | A | row | -kron(inv(A), (inv(A)*b)') |
inv(A)*b | A | column | -kron((inv(A)*b)', inv(A)) |
inv(A)*b | b | row | inv(A) |
inv(A + x*x')*b | b | row | inv(A + x*x') |
x'*inv(A + t*B)*x | t | gradient | -x'*inv(A + t*B)*B*inv(A + t*B)*x | t scalar
inv(A + t*B) | t | row | -vec(inv(A + t*B)*B*inv(A + t*B)) | t scalar
logdet(A + t*B) | t | gradient | tr(inv(A + t*B)*B) | t scalar
det(A + t*B) | t | gradient | det(A + t*B)*tr(inv(A + t*B)*B) | t scalar
tr(inv(A + t*B)) | t | gradient | -tr(inv(A + t*B)*B*inv(A + t*B)) | t scalar
"""

NORMS = """
norm2(x) | x | gradient | x/norm2(x) |
norm2(x)^2 | x | gradient | 2*x |
norm2(x-a) | x | gradient | (x-a)/norm2(x-a) |
norm2(A*x-b)^2 | x | gradient | 2*A'*(A*x-b) |
norm2(A*x-b)^2/2 | x | gradient | A'*(A*x-b) |
norm2(A*x-b) | x | gradient | A'*(A*x-b)/norm2(A*x-b) |
norm2(A*x-b)^2 | A | gradient | 2*(A*x-b)*x' |
norm2(A*x-b)^2 | b | gradient | -2*(A*x-b) |
norm2(X*w-y)^2 + l*norm2(w)^2 | w | gradient | 2*X'*(X*w-y) + 2*l*w | l scalar
norm2(X*w-y)^2/(2*m) | w | gradient | X'*(X*w-y)/m | X m×n
normF(X) | X | gradient | X/normF(X) |
normF(X)^2 | X | gradient | 2*X |
normF(A*X-B)^2 | X | gradient | 2*A'*(A*X-B) |
normF(X*A-B)^2 | X | gradient | 2*(X*A-B)*A' |
normF(A*X*B-C)^2 | X | gradient | 2*A'*(A*X*B-C)*B' |
normF(X*X')^2 | X | gradient | 4*X*X'*X |
normF(X'*X - C)^2 | X | gradient | 4*X*(X'*X - C) | C symmetric
normF(F*F' - G)^2 | F | gradient | 4*(F*F' - G)*F | G symmetric
normF(Y - U*V')^2 | U | gradient | -2*(Y - U*V')*V |
normF(Y - U*V')^2 | V | gradient | -2*(Y - U*V')'*U |
norm1(x) | x | gradient | sign(x) |
norm1(A*x-b) | x | gradient | A'*sign(A*x-b) |
sum(abs(X)) | X | gradient | sign(X) |
x/norm2(x) | x | row | eye(n)/norm2(x) - x*x'/norm2(x)^3 | x n
(x-a)/norm2(x-a) | x | row | eye(n)/norm2(x-a) - (x-a)*(x-a)'/norm2(x-a)^3 | x n
a'*x/(norm2(a)*norm2(x)) | x | gradient | a/(norm2(a)*norm2(x)) - (a'*x)*x/(norm2(a)*norm2(x)^3) |
sqrt(x'*A*x) | x | gradient | A*x/sqrt(x'*A*x) | A symmetric positive definite
norm2(x)^3 | x | gradient | 3*norm2(x)*x |
1/norm2(x) | x | gradient | -x/norm2(x)^3 |
norm2(x)^2*x | x | row | (x'*x)*eye(n) + 2*x*x' | x n
log(norm2(x)) | x | gradient | x/norm2(x)^2 |
exp(-norm2(x-c)^2/2) | x | gradient | -exp(-norm2(x-c)^2/2)*(x-c) |
exp(-g*norm2(x-c)^2) | x | gradient | -2*g*exp(-g*norm2(x-c)^2)*(x-c) | g scalar
exp(-g*norm2(x-c)^2) | g | gradient | -norm2(x-c)^2*exp(-g*norm2(x-c)^2) | g scalar
"""

VECTORS_BY_VECTORS = """
x | x | row | eye(n) | x n
A*x | x | row | A |
A*x | x | denominator | A' |
x'*A | x | row | A' |
A*x + b | x | row | A |
A*x + b | b | row | eye(m) | A m×n
A*B*x | x | row | A*B |
a*(b'*x) | x | row | a*b' |
(a'*x)*x | x | row | (a'*x)*eye(n) + x*a' | x n
x*(x'*A*x) | x | row | (x'*A*x)*eye(n) + x*x'*(A + A') | x n
x.*y | x | row | diag(y) |
x.*x | x | row | 2*diag(x) |
x.*(A*x) | x | row | diag(x)*A + diag(A*x) |
(A*x).*(B*x) | x | row | diag(A*x)*B + diag(B*x)*A |
a.*(B*x) | x | row | diag(a)*B |
x./y | x | row | diag(1./y) |
x./y | y | row | -diag(x./y.^2) |
1./x | x | row | -diag(1./x.^2) |
exp(x) | x | row | diag(exp(x)) |
log(x) | x | row | diag(1./x) | x positive
sin(x) | x | row | diag(cos(x)) |
cos(x) | x | row | -diag(sin(x)) |
tanh(x) | x | row | diag(1 - tanh(x).^2) |
sigmoid(x) | x | row | diag(sigmoid(x).*(1 - sigmoid(x))) |
relu(A*x+b) | x | row | diag(step(A*x+b))*A |
tanh(A*x+b) | x | row | diag(1 - tanh(A*x+b).^2)*A |
sigmoid(A*x) | x | row | diag(sigmoid(A*x).*(1-sigmoid(A*x)))*A |
A*tanh(B*x) | x | row | A*diag(1 - tanh(B*x).^2)*B |
x + A*tanh(B*x) | x | row | eye(n) + A*diag(1 - tanh(B*x).^2)*B | x n
softmax(x) | x | row | diag(softmax(x)) - softmax(x)*softmax(x)' |
softmax(A*x) | x | row | (diag(softmax(A*x)) - softmax(A*x)*softmax(A*x)')*A |
log(softmax(x)) | x | row | eye(n) - ones(n)*softmax(x)' | x n
x - mean(x)*ones(n) | x | row | eye(n) - ones(n)*ones(n)'/n | x n
diag(x)*y | x | row | diag(y) |
diag(x)*A*x | x | row | diag(A*x) + diag(x)*A |
x/(1 + norm2(x)^2) | x | row | eye(n)/(1 + norm2(x)^2) - 2*x*x'/(1 + norm2(x)^2)^2 | x n
A*(x.^2) | x | row | 2*A*diag(x) |
x.^3 | x | row | 3*diag(x.^2) |
sqrt(x) | x | row | diag(1./(2*sqrt(x))) | x positive
x/sum(x) | x | row | eye(n)/sum(x) - x*ones(n)'/sum(x)^2 | x positive n
sum(x)*x | x | row | sum(x)*eye(n) + x*ones(n)' | x n
diag(X)'*x | x | gradient | diag(X) |
exp(a'*x)*x | x | row | exp(a'*x)*(eye(n) + x*a') | x n
kron(x, y) | x | row | kron(eye(n), y) | x n
kron(x, y) | y | row | kron(x, eye(m)) | y m
vec(x*x') | x | row | kron(eye(n), x) + kron(x, eye(n)) | x n
x*x' | x | row | kron(eye(n), x) + kron(x, eye(n)) | x n
x*y' | x | row | kron(eye(m), y) | x m; y n
x*y' | y | row | kron(x, eye(n)) | x m; y n
x*y' | x | column | kron(y, eye(m)) | x m; y n
x*y' | y | column | kron(eye(n), x) | x m; y n
"""

BY_MATRICES = """
W*x | W | row | kron(eye(h), x') | W h×d
W*x | W | column | kron(x', eye(h)) | W h×d
W*x + b | W | row | kron(eye(h), x') | W h×d
W*x + b | W | denominator | kron(eye(h), x) | W h×d
W'*x | W | row | kron(x', eye(d)) | W h×d
x'*W | W | row | kron(x', eye(d)) | W h×d
A*W*x | W | row | kron(A, x') |
tanh(W*x) | W | row | kron(diag(1 - tanh(W*x).^2), x') |
U*tanh(W*x) | W | row | kron(U*diag(1 - tanh(W*x).^2), x') |
U*tanh(W*x) | U | row | kron(eye(k), tanh(W*x)') | U k×h
softmax(W*x) | W | row | kron(diag(softmax(W*x)) - softmax(W*x)*softmax(W*x)', x') |
X | X | row | kron(eye(m), eye(n)) | X m×n
X' | X | row | K(n, m) | X m×n
X' | X | column | K(m, n) | X m×n
A*X | X | row | kron(A, eye(n)) | X m×n
A*X | X | column | kron(eye(n), A) | X m×n
X*B | X | row | kron(eye(m), B') | X m×n
X*B | X | column | kron(B', eye(m)) | X m×n
A*X*B | X | row | kron(A, B') |
A*X*B | X | column | kron(B', A) |
A*X'*B | X | column | kron(B', A)*K(m, n) | X m×n
A*X'*B | X | row | kron(A, B')*K(n, m) | X m×n
X*X | X | column | kron(X', eye(n)) + kron(eye(n), X) | X n×n
X^2 | X | row | kron(X, eye(n)) + kron(eye(n), X') | X n×n
X'*X | X | column | (eye(n^2) + K(n, n))*kron(eye(n), X') | X m×n
X*X' | X | column | (eye(m^2) + K(m, m))*kron(X, eye(m)) | X m×n
X'*A*X | X | column | kron(X'*A', eye(n))*K(m, n) + kron(eye(n), X'*A) | X m×n
X*A*X' | X | column | kron(X*A', eye(m)) + kron(eye(m), X*A)*K(m, n) | X m×n
A.*X | X | row | diag(vec(A)) |
X.*X | X | row | 2*diag(vec(X)) |
exp(X) | X | row | diag(vec(exp(X))) |
tanh(X) | X | row | diag(vec(1 - tanh(X).^2)) |
A*tanh(X)*B | X | row | kron(A, B')*diag(vec(1 - tanh(X).^2)) |
tanh(A*X) | X | row | diag(vec(1 - tanh(A*X).^2))*kron(A, eye(n)) | X m×n
sigmoid(A*X*B) | X | row | diag(vec(sigmoid(A*X*B).*(1 - sigmoid(A*X*B))))*kron(A, B') |
tr(X)*X | X | row | tr(X)*kron(eye(n), eye(n)) + vec(X)*vec(eye(n))' | X n×n
a*b'*X | X | row | kron(a*b', eye(n)) | X m×n
t*X | X | row | t*kron(eye(m), eye(n)) | X m×n; t scalar
t*X | t | row | vec(X) | t scalar
vec(X) | X | row | kron(eye(m), eye(n)) | X m×n
vec(A*X*B) | X | row | kron(A, B') |
X*x | X | row | kron(eye(m), x') | X m×n
X*x | x | row | X |
X'*X*x | X | row | kron(eye(n), (X*x)')*K(n, m) + kron(X', x') | X m×n
x'*X*y*x | x | row | (x'*X*y)*eye(n) + x*(X*y)' | x n
det(X)*X | X | row | det(X)*kron(eye(n), eye(n)) + det(X)*vec(X)*vec(inv(X)')' | X n×n
logdet(X)*a | X | row | a*vec(inv(X)')' |
tr(A*X)*b | X | row | b*vec(A')' |
(X*a).*b | X | row | kron(diag(b), a') |
X^-1*A*X | X | row | -kron(inv(X), (inv(X)*A*X)') + kron(inv(X)*A, eye(n)) | X n×n
"""

ELEMENTWISE_AND_LEARNING = """
sum(exp(x)) | x | gradient | exp(x) |
sum(log(x)) | x | gradient | 1./x | x positive
sum(sin(A*x)) | x | gradient | A'*cos(A*x) |
sum(cos(x)) | x | gradient | -sin(x) |
sum(tan(x)) | x | gradient | 1 + tan(x).^2 |
sum(sinh(x)) | x | gradient | cosh(x) |
sum(cosh(x)) | x | gradient | sinh(x) |
sum(arctan(x)) | x | gradient | 1./(1 + x.^2) |
sum(softplus(x)) | x | gradient | sigmoid(x) |
sum(relu(x)) | x | gradient | step(x) |
sum(sigmoid(x)) | x | gradient | sigmoid(x).*(1 - sigmoid(x)) |
sum(log(1 + exp(x))) | x | gradient | sigmoid(x) |
sum(1./(1 + exp(-x))) | x | gradient | sigmoid(x).*(1 - sigmoid(x)) |
sum(x.*log(x)) | x | gradient | log(x) + 1 | x positive
-x'*log(x) | x | gradient | -log(x) - 1 | x positive
y'*tanh(W*x) | x | gradient | W'*(y.*(1 - tanh(W*x).^2)) |
y'*tanh(W*x) | W | gradient | (y.*(1 - tanh(W*x).^2))*x' |
y'*relu(W*x+b) | W | gradient | (y.*step(W*x+b))*x' |
y'*relu(W*x+b) | b | gradient | y.*step(W*x+b) |
norm2(tanh(W*x+b)-y)^2 | W | gradient | 2*((tanh(W*x+b)-y).*(1 - tanh(W*x+b).^2))*x' |
norm2(tanh(W*x+b)-y)^2 | b | gradient | 2*(tanh(W*x+b)-y).*(1 - tanh(W*x+b).^2) |
norm2(U*tanh(W*x)-y)^2/2 | W | gradient | ((U'*(U*tanh(W*x)-y)).*(1 - tanh(W*x).^2))*x' |
norm2(U*tanh(W*x)-y)^2/2 | U | gradient | (U*tanh(W*x)-y)*tanh(W*x)' |
norm2(W*x+b-y)^2/2 | W | gradient | (W*x+b-y)*x' |
norm2(W*x+b-y)^2/2 | b | gradient | W*x+b-y |
normF(W*X-Y)^2/2 | W | gradient | (W*X-Y)*X' |
normF(tanh(W*X)-Y)^2/2 | W | gradient | ((tanh(W*X)-Y).*(1 - tanh(W*X).^2))*X' |
sum(tanh(W*X)) | W | gradient | (1 - tanh(W*X).^2)*X' |
logsumexp(x) | x | gradient | softmax(x) |
logsumexp(A*x+b) | x | gradient | A'*softmax(A*x+b) |
log(sum(exp(x))) | x | gradient | softmax(x) |
-y'*log(softmax(z)) | z | gradient | softmax(z) - y | y probability
-y'*log(softmax(z)) | z | gradient | sum(y)*softmax(z) - y |
-y'*log(softmax(W*x+b)) | W | gradient | (softmax(W*x+b) - y)*x' | y probability
-y'*log(softmax(W*x+b)) | b | gradient | softmax(W*x+b) - y | y probability
-y'*log(softmax(W*x+b)) | x | gradient | W'*(softmax(W*x+b) - y) | y probability
logsumexp(z) - y'*z | z | gradient | softmax(z) - y |
a'*softmax(x) | x | gradient | softmax(x).*a - (a'*softmax(x))*softmax(x) |
-(y'*log(sigmoid(X*w)) + (1-y)'*log(1-sigmoid(X*w))) | w | gradient | X'*(sigmoid(X*w) - y) |
sum(log(1 + exp(-y.*(X*w)))) | w | gradient | -X'*(y.*sigmoid(-y.*(X*w))) |
sum(softplus(X*w)) - y'*X*w | w | gradient | X'*(sigmoid(X*w) - y) |
sum(relu(1 - y.*(X*w))) | w | gradient | -X'*(y.*step(1 - y.*(X*w))) |
p'*log(p./q) | p | gradient | log(p./q) + 1 | p positive; q positive
p'*log(p./q) | q | gradient | -p./q | p positive; q positive
sum(exp(X*w)) - y'*X*w | w | gradient | X'*(exp(X*w) - y) |
x'*diag(d)*x | d | gradient | x.^2 |
x'*diag(d)*x | x | gradient | 2*d.*x |
a'*(x.*x.*x) | x | gradient | 3*a.*x.^2 |
a'*exp(A*x) | A | gradient | (a.*exp(A*x))*x' |
exp(x'*A*x) | x | gradient | exp(x'*A*x)*(A + A')*x |
log(x'*A*x) | x | gradient | (A + A')*x/(x'*A*x) | A positive definite
sin(a'*x)*b | x | row | cos(a'*x)*b*a' |
tanh(a'*X*b) | X | gradient | (1 - tanh(a'*X*b)^2)*a*b' |
sum((A*X).*(A*X)) | X | gradient | 2*A'*A*X |
sum(A.*(X*B)) | X | gradient | A*B' |
sum(X) | X | gradient | ones(m, n) | X m×n
ones(m)'*X*ones(n) | X | gradient | ones(m, n) | X m×n
t^3 | t | gradient | 3*t^2 | t scalar
sin(t)*exp(2*t) | t | gradient | (cos(t) + 2*sin(t))*exp(2*t) | t scalar
a^t | t | gradient | log(a)*a^t | a scalar positive; t scalar
a^t | a | gradient | t*a^(t-1) | a scalar positive; t scalar
cos(t)*x + sin(t)*y | t | row | cos(t)*y - sin(t)*x | t scalar
norm2(x + t*v)^2 | t | gradient | 2*v'*(x + t*v) | t scalar
x'*A*x/2 - b'*x | x | gradient | A*x - b | A symmetric
sum(silu(x)) | x | gradient | sigmoid(x) + x.*sigmoid(x).*(1 - sigmoid(x)) |
sum(gelu(x)) | x | gradient | erf(x/sqrt(2))/2 + 1/2 + x.*exp(-x.^2/2)/sqrt(2*pi) |
"""

STATISTICS_AND_OPTIMISATION = """
tr(X'*A*X*B) | X | gradient | A*X*B + A'*X*B' |
tr(X^2) | X | gradient | 2*X' |
tr((X'*C*X)^-1*A) | X | gradient | -(C*X*(X'*C*X)^-1)*(A+A')*(X'*C*X)^-1 | C symmetric
tr(A*(X.*B)) | X | gradient | A'.*B |
tr(D*X) | X | gradient | D | D diagonal
log(det(X'*X)) | X | gradient | 2*X*(X'*X)^-1 | X n×m
det(X)^k | X | gradient | k*det(X)^k*(X^-1)' | k scalar
det(X^3) | X | gradient | 3*det(X)^3*(X^-1)' |
logdet(eye(n) + B*B') | B | gradient | 2*inv(eye(n)+B*B')*B |
logdet(diag(x)) | x | gradient | 1./x |
det(diag(x)) | x | gradient | det(diag(x))./x |
det(inv(X)) | X | gradient | -det(inv(X))*(X^-1)' |
(B*x + b)' * C * (D*x + d) | x | gradient | B'*C*(D*x+d) + D'*C'*(B*x+b) | B m×n
x'*a*x'*b | x | gradient | a*(b'*x) + b*(a'*x) |
(a'*x)/(b'*x) | x | gradient | a/(b'*x) - b*(a'*x)/(b'*x)^2 |
exp(-x'*A*x/2) | x | gradient | -exp(-x'*A*x/2)*A*x | A symmetric
normF(X - U*V')^2 | V | gradient | -2*(X-U*V')'*U |
norm2(x)^p | x | gradient | p*norm2(x)^(p-2)*x | p scalar
sum(exp(-x)) | x | gradient | -exp(-x) |
exp(-x) | x | row | -diag(exp(-x)) |
1./(1+exp(-A*x)) | x | row | diag(sigmoid(A*x).*(1 - sigmoid(A*x)))*A |
1/(1+exp(-a'*x)) | x | gradient | sigmoid(a'*x)*(1-sigmoid(a'*x))*a |
log(1+exp(-y*(w'*x))) | w | gradient | -y*sigmoid(-y*(w'*x))*x | y scalar
mean(x.^2) | x | gradient | 2*x/n |
sum(x.*log(x./y)) | y | gradient | -x./y |
-y'*log(softmax(x)) | x | gradient | softmax(x) - y | y probability
log(sum(exp(A*x))) | x | gradient | A'*softmax(A*x) |
exp(x)/sum(exp(x)) | x | row | diag(softmax(x)) - softmax(x)*softmax(x)' |
max(0, x) | x | row | diag(step(x)) |
relu(W*x + b) | b | row | diag(step(W*x+b)) |
sum(max(0, 1 - y.*(X*w))) + l*norm2(w)^2 | w | gradient | -X'*(y.*step(1 - y.*(X*w))) + 2*l*w | l scalar; y m
abs(x) | x | row | diag(sign(x)) |
sin(x)'*cos(x) | x | gradient | cos(x).^2 - sin(x).^2 |
(x'*y)^3 | x | gradient | 3*(x'*y)^2*y |
a.^x | x | row | diag(log(a).*a.^x) |
x.^a | x | row | diag(a.*x.^(a-1)) |
vec(X)'*vec(X) | X | gradient | 2*X |
A*diag(x)*b | x | row | A*diag(b) |
a'*diag(x)*b | x | gradient | a.*b |
x' | x | row | eye(n) |
-1/2*logdet(S) - 1/2*(x-m)'*inv(S)*(x-m) | m | gradient | inv(S)*(x-m) | S spd
-1/2*logdet(S) - 1/2*(x-m)'*inv(S)*(x-m) | S | gradient | -(1/2)*inv(S) + (1/2)*inv(S)*(x-m)*(x-m)'*inv(S) | S spd
-1/2*logdet(S) - 1/2*(x-m)'*inv(S)*(x-m) | x | gradient | -inv(S)*(x-m) | S spd
sqrt((x-m)'*inv(S)*(x-m)) | x | gradient | inv(S)*(x-m)/sqrt((x-m)'*inv(S)*(x-m)) | S spd
k/2*logdet(L) - 1/2*tr(L*S) | L | gradient | k/2*inv(L) - S/2 | k scalar; L spd; S symmetric
-k/2*logdet(V) - 1/2*tr(inv(V)*X) | V | gradient | -k/2*inv(V) + inv(V)*X*inv(V)/2 | k scalar; X symmetric; V spd
norm2(y - X*b)^2 | b | gradient | -2*X'*(y - X*b) |
(y - X*b)'*inv(V)*(y-X*b) | b | gradient | -2*X'*inv(V)*(y-X*b) | V spd
y'*(eye(m) - X*inv(X'*X)*X')*y | y | gradient | 2*(eye(m) - X*inv(X'*X)*X')*y |
X*inv(X'*X)*X'*y | y | row | X*inv(X'*X)*X' |
sum(exp(X*b)) - y'*X*b | b | gradient | X'*(exp(X*b) - y) |
x - mean(x) | x | row | eye(n) - ones(n)*ones(n)'/n |
w'*S*w/2 - l*w'*m | w | gradient | S*w - l*m | S symmetric; l scalar
(w'*m)/sqrt(w'*S*w) | w | gradient | m/sqrt(w'*S*w) - (w'*m)*S*w/(w'*S*w)^(3/2) | S spd
c'*x - t*sum(log(b - A*x)) | x | gradient | c + t*A'*(1./(b-A*x)) | t scalar
-logdet(X) + tr(S*X) | X | gradient | -inv(X) + S | X spd; S symmetric
1/2*x'*Q*x + c'*x | x | gradient | Q*x + c | Q symmetric
-sum(log(x)) | x | gradient | -1./x |
x'*log(x) | x | gradient | log(x) + 1 |
sqrt(1 + norm2(x)^2) | x | gradient | x/sqrt(1 + norm2(x)^2) |
sum(sqrt(x.^2 + e)) | x | gradient | x./sqrt(x.^2+e) | e scalar
norm2(x)^2/2 + l*norm1(x) | x | gradient | x + l*sign(x) | l scalar
normF(A - X*X')^2 | X | gradient | -4*(A - X*X')*X | A symmetric
inv(A + u*v')*x | x | row | inv(A+u*v') |
y'*inv(eye(n) - W)*x | W | gradient | inv(eye(n)-W)'*y*x'*inv(eye(n)-W)' |
W2*relu(W1*x + b1) + b2 | x | row | W2*diag(step(W1*x+b1))*W1 |
r*A*r' | r | gradient | r*(A + A') | r 1×n
"""


@dataclass(frozen=True)
class Identity:
    """One fact: the derivative of `formula` by `by` is `textbook`, laid out as `form`."""

    formula: str
    by: str
    form: str
    textbook: str
    declare: dict[str, str]


def parse(text: str) -> list[Identity]:
    """Return the rows of a table."""
    rows = []
    for line in text.strip().splitlines():
        formula, by, form, textbook, declared = (part.strip() for part in line.split("|"))
        pairs = [part.strip().split(" ", 1) for part in declared.split(";") if part.strip()]
        rows.append(Identity(formula, by, form, textbook, dict(pairs)))
    return rows


IDENTITIES = [
    row
    for table in (
        LINEAR_AND_QUADRATIC,
        TRACES,
        DETERMINANTS_AND_INVERSES,
        NORMS,
        VECTORS_BY_VECTORS,
        BY_MATRICES,
        ELEMENTWISE_AND_LEARNING,
        STATISTICS_AND_OPTIMISATION,
    )
    for row in parse(table)
]
